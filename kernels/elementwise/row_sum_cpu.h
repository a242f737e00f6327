/* row_sum.h on the CPU: a unit of work is one span of columns of one block of rows. */
#pragma once

#include "kernels/common/spans.h"
#include "kernels/elementwise/row_sum.h"

typedef struct {
  int64_t first, end; /* rows */
  int64_t at, n;      /* columns at .. at + n - 1, n <= XR_SPAN */
} xr_row_sum_unit;

static inline int64_t xr_row_sum_unit_count(int64_t rows, int64_t cols) { return xr_row_sum_blocks(rows, cols) * xr_span_count(cols); }

static inline xr_row_sum_unit xr_row_sum_unit_at(int64_t unit, int64_t rows, int64_t cols) {
  const int64_t each = xr_row_sum_each(rows, cols), block = unit / xr_span_count(cols), at = unit % xr_span_count(cols) * XR_SPAN;
  const int64_t first = block * each, end = first + each;
  return (xr_row_sum_unit){.first = first, .end = end < rows ? end : rows, .at = at, .n = xr_span_length(cols, at)};
}

/* Where the sums of the rows go, and how. */
typedef struct {
  int64_t rows, cols;
  void *out; /* [cols] */
  xr_dtype dtype;
  bool accumulate;
  float *workspace; /* xr_row_sum_workspace() bytes */
} xr_row_sum_target;

/* Stores the sum of a unit: the result when there is one block, else a partial sum. */
static inline void xr_row_sum_store(const xr_row_sum_target *t, int64_t unit, const float *sum) {
  const int64_t block = unit / xr_span_count(t->cols), at = unit % xr_span_count(t->cols) * XR_SPAN, n = xr_span_length(t->cols, at);
  if (xr_row_sum_blocks(t->rows, t->cols) == 1)
    xr_span_store(t->out, t->dtype, at, n, sum, t->accumulate);
  else
    xr_span_store(t->workspace, XR_F32, block * t->cols + at, n, sum, false);
}

/* After all units have been stored: adds the partial sums. */
static inline void xr_row_sum_finish(const xr_row_sum_target *t) {
  const int64_t blocks = xr_row_sum_blocks(t->rows, t->cols);
  if (blocks == 1) return;
  _Pragma("omp parallel for schedule(static)") for (int64_t span = 0; span < xr_span_count(t->cols); span++) {
    const int64_t at = span * XR_SPAN, n = xr_span_length(t->cols, at);
    float sum[XR_SPAN] = {0};
    for (int64_t block = 0; block < blocks; block++) {
      const float *part = t->workspace + block * t->cols + at;
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) sum[i] += part[i];
    }
    xr_span_store(t->out, t->dtype, at, n, sum, t->accumulate);
  }
}
