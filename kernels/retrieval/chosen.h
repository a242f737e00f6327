/* The scores that a pass over one row looks at, on the CPU: the row itself, or a copy of the chosen ones. */
#pragma once

#include <stdint.h>

#include "host/base/status.h"

enum { XR_ROW_BLOCK = 4096 }; /* scores that stay in the first-level cache while several passes go over them */

typedef struct {
  const float *scores;   /* [count] */
  const int32_t *chosen; /* their gallery indices; NULL: first, first + 1, .. */
  int64_t first, count;
} xr_row_block;

/* Gallery index of score c. */
static inline int64_t xr_block_index(const xr_row_block *b, int64_t c) { return b->chosen ? b->chosen[c] : b->first + c; }

/* Number of the block's scores whose gallery index is below `bound`. */
static inline int64_t xr_block_below(const xr_row_block *b, int64_t bound) {
  int64_t low = 0, high = b->count;
  if (!b->chosen) return bound - b->first < 0 ? 0 : bound - b->first < high ? bound - b->first : high;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (b->chosen[middle] < bound)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Block `block` of a row of scores that starts at gallery index `offset`; count 0 behind the last. `copy` holds XR_ROW_BLOCK. */
static inline xr_row_block xr_row_block_at(const float *row, int64_t offset, int64_t gallery, const int32_t *chosen, int64_t chosen_count,
                                           int64_t block, float *copy) {
  const int64_t total = chosen ? chosen_count : gallery, first = block * XR_ROW_BLOCK;
  xr_row_block b = {.first = offset + first, .count = total - first < XR_ROW_BLOCK ? total - first : XR_ROW_BLOCK};
  if (b.count <= 0) return (xr_row_block){0};
  if (!chosen) {
    b.scores = row + first;
    return b;
  }
  b.chosen = chosen + first;
  b.scores = copy;
  _Pragma("omp simd") for (int64_t c = 0; c < b.count; c++) copy[c] = row[b.chosen[c] - offset];
  return b;
}

/* Whether a tile's columns and the chosen among them are in order. */
static inline xr_status xr_check_chosen(const char *what, int64_t queries, int64_t gallery, int64_t offset, int64_t stride,
                                        const int32_t *chosen, int64_t chosen_count) {
  if (queries < 0 || gallery < 0 || stride < gallery || offset < 0 || offset + gallery > (int64_t)INT32_MAX + 1)
    return xr_fail(XR_BAD_SHAPE, "%s: a tile of %lld x %lld scores at gallery index %lld, %lld from row to row", what, (long long)queries,
                   (long long)gallery, (long long)offset, (long long)stride);
  if (chosen && (chosen_count < 0 || chosen_count > gallery))
    return xr_fail(XR_BAD_SHAPE, "%s: %lld items are chosen of a tile of %lld", what, (long long)chosen_count, (long long)gallery);
  return XR_OK;
}

/* The chosen indices themselves, which the CPU looks at: ascending and within the tile. */
static inline xr_status xr_check_chosen_values(const char *what, int64_t gallery, int64_t offset, const int32_t *chosen,
                                               int64_t chosen_count) {
  for (int64_t i = 0; chosen && i < chosen_count; i++)
    if (chosen[i] < offset || chosen[i] >= offset + gallery || (i && chosen[i] <= chosen[i - 1]))
      return xr_fail(XR_BAD_INPUT, "%s: chosen item %lld has gallery index %d; ascending ones from %lld to %lld are needed", what,
                     (long long)i, chosen[i], (long long)offset, (long long)(offset + gallery - 1));
  return XR_OK;
}
