#include "kernels/pool/masked_mean.h"

#include "kernels/common/spans.h"

xr_status xr_masked_mean_check(const xr_masked_mean *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "masked_mean: dtype %s", xr_dtype_name(a->dtype));
  if (a->batch < 0 || a->tokens < 0 || a->width < 0 || a->first < 0)
    return xr_fail(XR_BAD_SHAPE, "masked_mean: x [%lld, %lld, %lld] from token %lld", (long long)a->batch, (long long)a->tokens,
                   (long long)a->width, (long long)a->first);
  return XR_OK;
}

static xr_status check_lengths(const xr_masked_mean *a) {
  for (int64_t b = 0; a->length && b < a->batch; b++)
    if (a->length[b] < 0 || a->length[b] > a->tokens)
      return xr_fail(XR_BAD_INPUT, "masked_mean: sample %lld has length %d; legal are 0 to %lld", (long long)b, a->length[b],
                     (long long)a->tokens);
  return XR_OK;
}

static int64_t end_of(const xr_masked_mean *a, int64_t b) { return a->length ? a->length[b] : a->tokens; }

xr_status xr_masked_mean_forward_cpu(const xr_masked_mean *a) {
  XR_TRY(xr_masked_mean_check(a));
  XR_TRY(check_lengths(a));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    for (int64_t span = 0; span < xr_span_count(a->width); span++) {
      const int64_t at = span * XR_SPAN, n = xr_span_length(a->width, at), end = end_of(a, b);
      float sum[XR_SPAN] = {0}, scratch[XR_SPAN];
      for (int64_t t = a->first; t < end; t++) {
        const float *x = xr_span_read(a->x, a->dtype, (b * a->tokens + t) * a->width + at, n, scratch);
#pragma omp simd
        for (int64_t i = 0; i < n; i++) sum[i] += x[i];
      }
      if (end > a->first) {
        const float count = (float)(end - a->first);
#pragma omp simd
        for (int64_t i = 0; i < n; i++) sum[i] /= count;
      }
      xr_span_store(a->y, a->dtype, b * a->width + at, n, sum, false);
    }
  }
  return XR_OK;
}

static void backward_row(const xr_masked_mean *a, int64_t b, int64_t t) {
  const int64_t row = b * a->tokens + t, end = end_of(a, b);
  if (t < a->first || t >= end) {
    if (!a->accumulate_dx) xr_span_zero(a->dx, a->dtype, row * a->width, a->width);
    return;
  }
  const float count = (float)(end - a->first);
  for (int64_t at = 0; at < a->width; at += XR_SPAN) {
    const int64_t n = xr_span_length(a->width, at);
    float scratch[XR_SPAN], dx[XR_SPAN];
    const float *g = xr_span_read(a->dy, a->dtype, b * a->width + at, n, scratch);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) dx[i] = g[i] / count;
    xr_span_store(a->dx, a->dtype, row * a->width + at, n, dx, a->accumulate_dx);
  }
}

xr_status xr_masked_mean_backward_cpu(const xr_masked_mean *a) {
  XR_TRY(xr_masked_mean_check(a));
  XR_TRY(check_lengths(a));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < a->batch; b++)
    for (int64_t t = 0; t < a->tokens; t++) backward_row(a, b, t);
  return XR_OK;
}
