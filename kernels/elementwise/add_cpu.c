#include "kernels/elementwise/add.h"

#include "kernels/common/spans.h"

xr_status xr_add_check(const xr_add *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "add: dtype %s", xr_dtype_name(a->dtype));
  return XR_OK;
}

xr_status xr_add_forward_cpu(const xr_add *a) {
  XR_TRY(xr_add_check(a));
  const float alpha = a->alpha, beta = a->beta;
#pragma omp parallel for schedule(static)
  for (int64_t span = 0; span < xr_span_count(a->count); span++) {
    const int64_t at = span * XR_SPAN, n = xr_span_length(a->count, at);
    float scratch_l[XR_SPAN], scratch_r[XR_SPAN], y[XR_SPAN];
    const float *l = xr_span_read(a->a, a->dtype, at, n, scratch_l), *r = xr_span_read(a->b, a->dtype, at, n, scratch_r);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = alpha * l[i] + beta * r[i];
    xr_span_store(a->y, a->dtype, at, n, y, false);
  }
  return XR_OK;
}

xr_status xr_add_backward_cpu(const xr_add *a) {
  XR_TRY(xr_add_check(a));
  if (a->da) xr_scaled_copy(a->da, a->dtype, a->accumulate_da, a->alpha, a->dy, a->dtype, a->count);
  if (a->db) xr_scaled_copy(a->db, a->dtype, a->accumulate_db, a->beta, a->dy, a->dtype, a->count);
  return XR_OK;
}
