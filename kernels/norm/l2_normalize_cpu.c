#include "kernels/norm/l2_normalize.h"

#include <math.h>

#include "kernels/common/spans.h"

xr_status xr_l2_normalize_check(const xr_l2_normalize *a) {
  if (a->rows < 0 || a->cols < 1) return xr_fail(XR_BAD_SHAPE, "l2_normalize: x [%lld, %lld]", (long long)a->rows, (long long)a->cols);
  if (!xr_is_float(a->x_dtype) || !xr_is_float(a->y_dtype))
    return xr_fail(XR_UNSUPPORTED, "l2_normalize: %s to %s", xr_dtype_name(a->x_dtype), xr_dtype_name(a->y_dtype));
  return XR_OK;
}

/* Sum over the row of l * r. */
static double dot(const void *l, xr_dtype l_dtype, const void *r, xr_dtype r_dtype, int64_t row, int64_t cols) {
  double total = 0;
  for (int64_t at = 0; at < cols; at += XR_SPAN) {
    const int64_t n = xr_span_length(cols, at);
    float scratch_l[XR_SPAN], scratch_r[XR_SPAN];
    const float *p = xr_span_read(l, l_dtype, row * cols + at, n, scratch_l);
    const float *q = xr_span_read(r, r_dtype, row * cols + at, n, scratch_r);
#pragma omp simd reduction(+ : total)
    for (int64_t i = 0; i < n; i++) total += (double)p[i] * (double)q[i];
  }
  return total;
}

xr_status xr_l2_normalize_forward_cpu(const xr_l2_normalize *a) {
  XR_TRY(xr_l2_normalize_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < a->rows; row++) {
    const float inverse = (float)(1 / sqrt(dot(a->x, a->x_dtype, a->x, a->x_dtype, row, a->cols) + XR_L2_EPSILON));
    for (int64_t at = 0; at < a->cols; at += XR_SPAN) {
      const int64_t n = xr_span_length(a->cols, at);
      float scratch[XR_SPAN], y[XR_SPAN];
      const float *x = xr_span_read(a->x, a->x_dtype, row * a->cols + at, n, scratch);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) y[i] = x[i] * inverse;
      xr_span_store(a->y, a->y_dtype, row * a->cols + at, n, y, false);
    }
    a->inverse_norm[row] = inverse;
  }
  return XR_OK;
}

xr_status xr_l2_normalize_backward_cpu(const xr_l2_normalize *a) {
  XR_TRY(xr_l2_normalize_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < a->rows; row++) {
    const float inverse = a->inverse_norm[row];
    /* x * along is u * (u . dy) */
    const float along = (float)(dot(a->x, a->x_dtype, a->dy, a->y_dtype, row, a->cols) * (double)inverse * (double)inverse);
    for (int64_t at = 0; at < a->cols; at += XR_SPAN) {
      const int64_t n = xr_span_length(a->cols, at);
      float scratch_x[XR_SPAN], scratch_g[XR_SPAN], dx[XR_SPAN];
      const float *x = xr_span_read(a->x, a->x_dtype, row * a->cols + at, n, scratch_x);
      const float *g = xr_span_read(a->dy, a->y_dtype, row * a->cols + at, n, scratch_g);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) dx[i] = inverse * (g[i] - x[i] * along);
      xr_span_store(a->dx, a->x_dtype, row * a->cols + at, n, dx, a->accumulate_dx);
    }
  }
  return XR_OK;
}
