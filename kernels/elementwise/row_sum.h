/* Sums over rows, in two steps of fixed order: rows are cut into blocks, each block gives a partial sum [cols], and the partial sums are
 * added in the order of the blocks. How many blocks there are follows from the shape alone. Used by the kernels of this folder. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
  XR_ROW_SUM_ROWS = 32,  /* one block for every so many rows, rounded up, .. */
  XR_ROW_SUM_UNITS = 512 /* .. but no more than so many pieces of 256 columns of a block: enough to keep a device busy */
};

static inline int64_t xr_row_sum_blocks(int64_t rows, int64_t cols) {
  const int64_t strips = (cols + 255) / 256, most = strips < XR_ROW_SUM_UNITS ? XR_ROW_SUM_UNITS / strips : 1;
  const int64_t blocks = (rows + XR_ROW_SUM_ROWS - 1) / XR_ROW_SUM_ROWS;
  return blocks < 1 ? 1 : blocks < most ? blocks : most;
}

/* Block b has the rows b each .. (b + 1) each - 1, as far as they exist. */
static inline int64_t xr_row_sum_each(int64_t rows, int64_t cols) {
  const int64_t blocks = xr_row_sum_blocks(rows, cols);
  return (rows + blocks - 1) / blocks;
}

/* Bytes for the partial sums, f32 [blocks, cols]; 0 when the only block's sum is the result. */
static inline size_t xr_row_sum_workspace(int64_t rows, int64_t cols) {
  const int64_t blocks = xr_row_sum_blocks(rows, cols);
  return blocks > 1 ? (size_t)(blocks * cols) * sizeof(float) : 0;
}
