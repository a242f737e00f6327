#include "kernels/copy/repeat.h"

#include "kernels/common/spans.h"

xr_status xr_repeat_check(const xr_repeat *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "repeat: dtype %s", xr_dtype_name(a->dtype));
  if (a->outer < 0 || a->count < 1 || a->inner < 0)
    return xr_fail(XR_BAD_SHAPE, "repeat: %lld slabs of %lld elements, %lld times; at least once", (long long)a->outer, (long long)a->inner,
                   (long long)a->count);
  return XR_OK;
}

xr_status xr_repeat_forward_cpu(const xr_repeat *a) {
  XR_TRY(xr_repeat_check(a));
  const size_t bytes = (size_t)a->inner * xr_dtype_bytes(a->dtype);
  if (bytes == 0) return XR_OK;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->outer * a->count; i++)
    memcpy((char *)a->y + (size_t)i * bytes, (const char *)a->x + (size_t)(i / a->count) * bytes, bytes);
  return XR_OK;
}

static void sum_span(const xr_repeat *a, int64_t outer, int64_t at, int64_t n) {
  float sum[XR_SPAN] = {0}, scratch[XR_SPAN];
  for (int64_t c = 0; c < a->count; c++) {
    const float *dy = xr_span_read(a->dy, a->dtype, (outer * a->count + c) * a->inner + at, n, scratch);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) sum[i] += dy[i];
  }
  xr_span_store(a->dx, a->dtype, outer * a->inner + at, n, sum, a->accumulate_dx);
}

xr_status xr_repeat_backward_cpu(const xr_repeat *a) {
  XR_TRY(xr_repeat_check(a));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t outer = 0; outer < a->outer; outer++) {
    for (int64_t span = 0; span < xr_span_count(a->inner); span++)
      sum_span(a, outer, span * XR_SPAN, xr_span_length(a->inner, span * XR_SPAN));
  }
  return XR_OK;
}
