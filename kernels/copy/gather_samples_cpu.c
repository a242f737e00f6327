#include "kernels/copy/gather_samples.h"

#include "kernels/common/spans.h"

xr_status xr_gather_samples_check(const xr_gather_samples *a) {
  if (!xr_is_float(a->dtype) && a->dtype != XR_I32) return xr_fail(XR_UNSUPPORTED, "gather_samples: dtype %s", xr_dtype_name(a->dtype));
  if (a->samples < 0 || a->places < 0 || a->width < 0 || a->places > INT32_MAX)
    return xr_fail(XR_BAD_SHAPE, "gather_samples: %lld of x [%lld, %lld]", (long long)a->places, (long long)a->samples,
                   (long long)a->width);
  return XR_OK;
}

static xr_status check_indices(const xr_gather_samples *a) {
  for (int64_t p = 0; p < a->places; p++)
    if (a->index[p] < 0 || a->index[p] >= a->samples)
      return xr_fail(XR_BAD_INPUT, "gather_samples: place %lld asks for sample %d of %lld (counted from 0)", (long long)p, a->index[p],
                     (long long)a->samples);
  return XR_OK;
}

xr_status xr_gather_samples_forward_cpu(const xr_gather_samples *a) {
  XR_TRY(xr_gather_samples_check(a));
  XR_TRY(check_indices(a));
  const size_t bytes = (size_t)a->width * xr_dtype_bytes(a->dtype);
#pragma omp parallel for schedule(static)
  for (int64_t p = 0; p < a->places; p++) memcpy((char *)a->y + (size_t)p * bytes, (const char *)a->x + (size_t)a->index[p] * bytes, bytes);
  return XR_OK;
}

/* One span of one sample's gradient. */
static void sum_span(const xr_gather_samples *a, int64_t sample, int64_t at, int64_t n) {
  float sum[XR_SPAN] = {0}, scratch[XR_SPAN];
  for (int64_t p = 0; p < a->places; p++) {
    if (a->index[p] != sample) continue;
    const float *dy = xr_span_read(a->dy, a->dtype, p * a->width + at, n, scratch);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) sum[i] += dy[i];
  }
  xr_span_store(a->dx, a->dtype, sample * a->width + at, n, sum, a->accumulate_dx);
}

xr_status xr_gather_samples_backward_cpu(const xr_gather_samples *a) {
  XR_TRY(xr_gather_samples_check(a));
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "gather_samples: %s has no gradient", xr_dtype_name(a->dtype));
  XR_TRY(check_indices(a));
  const int64_t spans = xr_span_count(a->width);
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < a->samples * spans; k++) {
    const int64_t at = k % spans * XR_SPAN;
    sum_span(a, k / spans, at, xr_span_length(a->width, at));
  }
  return XR_OK;
}
