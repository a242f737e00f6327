#include "kernels/elementwise/add_broadcast.h"

#include "kernels/elementwise/row_sum_cpu.h"

static xr_status check_sizes(const xr_add_broadcast_args *a) {
  if (a->rows < 0 || a->cols < 1) return xr_fail(XR_BAD_SHAPE, "add_broadcast: x [%lld, %lld]", (long long)a->rows, (long long)a->cols);
  return xr_is_float(a->dtype) ? XR_OK : xr_fail(XR_UNSUPPORTED, "add_broadcast: dtype %s", xr_dtype_name(a->dtype));
}

xr_status xr_add_broadcast_check(const xr_add_broadcast_args *a) {
  XR_TRY(check_sizes(a));
  return xr_is_float(a->v_dtype) ? XR_OK : xr_fail(XR_UNSUPPORTED, "add_broadcast: v is %s", xr_dtype_name(a->v_dtype));
}

xr_status xr_add_broadcast_check_backward(const xr_add_broadcast_args *a) {
  XR_TRY(check_sizes(a));
  if (a->dx && !xr_is_float(a->dx_dtype)) return xr_fail(XR_UNSUPPORTED, "add_broadcast: dx is %s", xr_dtype_name(a->dx_dtype));
  if (a->dv && !xr_is_float(a->dv_dtype)) return xr_fail(XR_UNSUPPORTED, "add_broadcast: dv is %s", xr_dtype_name(a->dv_dtype));
  return XR_OK;
}

size_t xr_add_broadcast_workspace(const xr_add_broadcast_args *a) { return xr_row_sum_workspace(a->rows, a->cols); }

xr_status xr_add_broadcast_forward_cpu(const xr_add_broadcast_args *a) {
  XR_TRY(xr_add_broadcast_check(a));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t row = 0; row < a->rows; row++) {
    for (int64_t span = 0; span < xr_span_count(a->cols); span++) {
      const int64_t at = span * XR_SPAN, n = xr_span_length(a->cols, at);
      float scratch_x[XR_SPAN], scratch_v[XR_SPAN], y[XR_SPAN];
      const float *x = xr_span_read(a->x, a->dtype, row * a->cols + at, n, scratch_x),
                  *v = xr_span_read(a->v, a->v_dtype, at, n, scratch_v);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) y[i] = x[i] + v[i];
      xr_span_store(a->y, a->dtype, row * a->cols + at, n, y, false);
    }
  }
  return XR_OK;
}

static void sum_unit(const xr_add_broadcast_args *a, const xr_row_sum_target *target, int64_t unit) {
  const xr_row_sum_unit u = xr_row_sum_unit_at(unit, a->rows, a->cols);
  float sum[XR_SPAN] = {0}, scratch[XR_SPAN];
  for (int64_t row = u.first; row < u.end; row++) {
    const float *g = xr_span_read(a->dy, a->dtype, row * a->cols + u.at, u.n, scratch);
#pragma omp simd
    for (int64_t i = 0; i < u.n; i++) sum[i] += g[i];
  }
  xr_row_sum_store(target, unit, sum);
}

xr_status xr_add_broadcast_backward_cpu(const xr_add_broadcast_args *a) {
  XR_TRY(xr_add_broadcast_check_backward(a));
  if (a->dx) xr_scaled_copy(a->dx, a->dx_dtype, a->accumulate_dx, 1, a->dy, a->dtype, a->rows * a->cols);
  if (!a->dv) return XR_OK;
  const xr_row_sum_target target = {a->rows, a->cols, a->dv, a->dv_dtype, a->accumulate_dv, a->workspace};
#pragma omp parallel for schedule(static)
  for (int64_t unit = 0; unit < xr_row_sum_unit_count(a->rows, a->cols); unit++) sum_unit(a, &target, unit);
  xr_row_sum_finish(&target);
  return XR_OK;
}
