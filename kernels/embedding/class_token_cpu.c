#include "kernels/embedding/class_token.h"

#include "kernels/embedding/position_gradient.h"

xr_status xr_class_token_check(const xr_class_token *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "class_token: dtype %s", xr_dtype_name(a->dtype));
  if (a->batch < 0 || a->tokens < 0 || a->width < 1)
    return xr_fail(XR_BAD_SHAPE, "class_token: x [%lld, %lld, %lld]", (long long)a->batch, (long long)a->tokens, (long long)a->width);
  return XR_OK;
}

xr_status xr_class_token_forward_cpu(const xr_class_token *a) {
  XR_TRY(xr_class_token_check(a));
  const int64_t rows = a->tokens + 1, width = a->width;
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    for (int64_t t = 0; t < rows; t++) {
      for (int64_t at = 0; at < width; at += XR_SPAN) {
        const int64_t n = xr_span_length(width, at);
        float scratch_x[XR_SPAN], scratch_p[XR_SPAN], y[XR_SPAN];
        const float *x = t == 0 ? a->class_token + at : xr_span_read(a->x, a->dtype, (b * a->tokens + t - 1) * width + at, n, scratch_x);
        const float *p = xr_span_read(a->position, a->dtype, t * width + at, n, scratch_p);
#pragma omp simd
        for (int64_t i = 0; i < n; i++) y[i] = x[i] + p[i];
        xr_span_store(a->y, a->dtype, (b * rows + t) * width + at, n, y, false);
      }
    }
  }
  return XR_OK;
}

static void input_gradient(const xr_class_token *a) {
  const int64_t run = a->tokens * a->width; /* dx of one sample is one contiguous piece of dy */
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    for (int64_t span = 0; span < xr_span_count(run); span++) {
      const int64_t at = span * XR_SPAN, n = xr_span_length(run, at);
      float scratch[XR_SPAN];
      const float *g = xr_span_read(a->dy, a->dtype, b * (run + a->width) + a->width + at, n, scratch);
      xr_span_store(a->dx, a->dtype, b * run + at, n, g, a->accumulate_dx);
    }
  }
}

xr_status xr_class_token_backward_cpu(const xr_class_token *a) {
  XR_TRY(xr_class_token_check(a));
  const int64_t rows = a->tokens + 1;
  if (a->dx) input_gradient(a);
  if (a->dclass_token) xr_sum_over_batch(a->dclass_token, a->accumulate_dclass_token, a->dy, a->dtype, a->batch, rows, 0, 1, a->width);
  if (a->dposition) xr_sum_over_batch(a->dposition, a->accumulate_dposition, a->dy, a->dtype, a->batch, rows, 0, rows, a->width);
  return XR_OK;
}
