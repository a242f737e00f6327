/* Copies of equally spaced contiguous runs: what slice and concat are made of. */
#pragma once

#include "kernels/common/spans.h"

typedef struct {
  void *base;
  int64_t offset, stride; /* run o starts at element offset + o * stride */
} xr_runs;

/* Each run of `out` (+)= the same run of `in`, `length` elements each. */
static inline void xr_copy_runs(xr_runs out, bool accumulate, xr_runs in, xr_dtype dtype, int64_t runs, int64_t length) {
  _Pragma("omp parallel for collapse(2) schedule(static)") for (int64_t run = 0; run < runs; run++) {
    for (int64_t span = 0; span < xr_span_count(length); span++) {
      const int64_t at = span * XR_SPAN, n = xr_span_length(length, at);
      float scratch[XR_SPAN];
      const float *x = xr_span_read(in.base, dtype, in.offset + run * in.stride + at, n, scratch);
      xr_span_store(out.base, dtype, out.offset + run * out.stride + at, n, x, accumulate);
    }
  }
}

static inline void xr_zero_runs(xr_runs out, xr_dtype dtype, int64_t runs, int64_t length) {
  if (length == 0) return;
  _Pragma("omp parallel for schedule(static)") for (int64_t run = 0; run < runs; run++)
      xr_span_zero(out.base, dtype, out.offset + run * out.stride, length);
}
