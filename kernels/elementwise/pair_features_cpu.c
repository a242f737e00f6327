#include "kernels/elementwise/pair_features.h"

#include <math.h>

#include "kernels/common/spans.h"

xr_status xr_pair_features_check(const xr_pair_features_args *a) {
  if (a->rows < 0 || a->cols < 1) return xr_fail(XR_BAD_SHAPE, "pair_features: v [%lld, %lld]", (long long)a->rows, (long long)a->cols);
  return xr_is_float(a->dtype) ? XR_OK : xr_fail(XR_UNSUPPORTED, "pair_features: dtype %s", xr_dtype_name(a->dtype));
}

xr_status xr_pair_features_forward_cpu(const xr_pair_features_args *a) {
  XR_TRY(xr_pair_features_check(a));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t row = 0; row < a->rows; row++) {
    for (int64_t span = 0; span < xr_span_count(a->cols); span++) {
      const int64_t at = span * XR_SPAN, n = xr_span_length(a->cols, at), from = row * a->cols + at, to = 4 * row * a->cols + at;
      float scratch_v[XR_SPAN], scratch_t[XR_SPAN], product[XR_SPAN], distance[XR_SPAN];
      const float *v = xr_span_read(a->v, a->dtype, from, n, scratch_v), *t = xr_span_read(a->t, a->dtype, from, n, scratch_t);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) {
        product[i] = v[i] * t[i];
        distance[i] = fabsf(v[i] - t[i]);
      }
      const float *part[4] = {v, t, product, distance};
      for (int k = 0; k < 4; k++) xr_span_store(a->out, a->dtype, to + k * a->cols, n, part[k], false);
    }
  }
  return XR_OK;
}

static void backward_span(const xr_pair_features_args *a, int64_t row, int64_t at) {
  const int64_t n = xr_span_length(a->cols, at), from = row * a->cols + at;
  float scratch_v[XR_SPAN], scratch_t[XR_SPAN], scratch[4][XR_SPAN], dv[XR_SPAN], dt[XR_SPAN];
  const float *v = xr_span_read(a->v, a->dtype, from, n, scratch_v), *t = xr_span_read(a->t, a->dtype, from, n, scratch_t), *g[4];
  for (int k = 0; k < 4; k++) g[k] = xr_span_read(a->dout, a->dtype, (4 * row + k) * a->cols + at, n, scratch[k]);
  const float *copy_v = g[0], *copy_t = g[1], *product = g[2], *distance = g[3];
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float sign = v[i] > t[i] ? 1.0f : v[i] < t[i] ? -1.0f : 0.0f, d = sign * distance[i];
    dv[i] = copy_v[i] + product[i] * t[i] + d;
    dt[i] = copy_t[i] + product[i] * v[i] - d;
  }
  if (a->dv) xr_span_store(a->dv, a->dtype, from, n, dv, a->accumulate_dv);
  if (a->dt) xr_span_store(a->dt, a->dtype, from, n, dt, a->accumulate_dt);
}

xr_status xr_pair_features_backward_cpu(const xr_pair_features_args *a) {
  XR_TRY(xr_pair_features_check(a));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t row = 0; row < a->rows; row++) {
    for (int64_t span = 0; span < xr_span_count(a->cols); span++) backward_span(a, row, span * XR_SPAN);
  }
  return XR_OK;
}
