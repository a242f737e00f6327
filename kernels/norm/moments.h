/* Moments of the rows of a column, for batchnorm on every backend: chunks of rows and how their moments merge. */
#pragma once

#include <stdint.h>

#include "kernels/common/math.h"

enum { XR_CHUNK_ROWS = 64, XR_MOST_CHUNKS = 512 }; /* a chunk has at least so many rows, but for the last; at most so many chunks */

XR_MATH_INLINE int64_t xr_chunk_rows(int64_t rows) {
  const int64_t each = (rows + XR_MOST_CHUNKS - 1) / XR_MOST_CHUNKS;
  return each < XR_CHUNK_ROWS ? (int64_t)XR_CHUNK_ROWS : each;
}
XR_MATH_INLINE int64_t xr_chunk_count(int64_t rows) { return (rows + xr_chunk_rows(rows) - 1) / xr_chunk_rows(rows); }
XR_MATH_INLINE int64_t xr_chunk_length(int64_t rows, int64_t chunk) {
  const int64_t each = xr_chunk_rows(rows), left = rows - chunk * each;
  return left < each ? left : each;
}

/* Of `count` values: their mean, and the sum of their squared differences from it. */
typedef struct {
  double count, mean, squares;
} xr_moments;

/* The moments of both sets of values; that of an empty set changes nothing. */
XR_MATH_INLINE xr_moments xr_merge_moments(xr_moments a, xr_moments b) {
  const double count = a.count + b.count, share = count > 0 ? b.count / count : 0, apart = b.mean - a.mean;
  const xr_moments both = {count, a.mean + apart * share, a.squares + b.squares + apart * apart * a.count * share};
  return both;
}

/* A running statistic after a batch whose own is `value`; one that is not finite is passed over. */
XR_MATH_INLINE float xr_running(float old, float momentum, double value) {
  return value - value == 0 ? (float)((double)old + (double)momentum * (value - (double)old)) : old;
}
