/* What the backends of the linear layer share. */
#pragma once

#include "kernels/linear/gemm.h"
#include "kernels/linear/linear.h"

XR_C_BEGIN

/* The products of the layer; dpre is what dx and dweight are made from. */
xr_gemm xr_linear_forward_product(const xr_linear *a);
xr_gemm xr_linear_dx_product(const xr_linear *a, const void *dpre);
xr_gemm xr_linear_dweight_product(const xr_linear *a, const void *dpre);

/* The arguments, not the data: what every backend does first. */
xr_status xr_linear_check(const xr_linear *a);
xr_status xr_linear_check_backward(const xr_linear *a);

/* Whether dx and dweight are made from dpre, not from dy. */
static inline bool xr_linear_has_dpre(const xr_linear *a) { return a->activation != XR_ACTIVATION_NONE || a->y_dtype != a->dtype; }

/* CUDA sums dbias over at most this many blocks of rows, each in order, then over the blocks in order. */
enum { XR_LINEAR_ROW_BLOCKS = 256, XR_LINEAR_LEAST_ROWS = 8 };

static inline int64_t xr_linear_rows_per_block(int64_t rows) {
  const int64_t each = (rows + XR_LINEAR_ROW_BLOCKS - 1) / XR_LINEAR_ROW_BLOCKS;
  return each < XR_LINEAR_LEAST_ROWS ? (int64_t)XR_LINEAR_LEAST_ROWS : each;
}

static inline int64_t xr_linear_row_blocks(int64_t rows) {
  return (rows + xr_linear_rows_per_block(rows) - 1) / xr_linear_rows_per_block(rows);
}

XR_C_END
