#include "kernels/elementwise/layer_scale.h"

#include "kernels/elementwise/row_sum_cpu.h"

xr_status xr_layer_scale_check(const xr_layer_scale_args *a) {
  if (a->rows < 0 || a->cols < 1) return xr_fail(XR_BAD_SHAPE, "layer_scale: x [%lld, %lld]", (long long)a->rows, (long long)a->cols);
  return xr_is_float(a->dtype) ? XR_OK : xr_fail(XR_UNSUPPORTED, "layer_scale: dtype %s", xr_dtype_name(a->dtype));
}

size_t xr_layer_scale_workspace(const xr_layer_scale_args *a) { return xr_row_sum_workspace(a->rows, a->cols); }

xr_status xr_layer_scale_forward_cpu(const xr_layer_scale_args *a) {
  XR_TRY(xr_layer_scale_check(a));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t row = 0; row < a->rows; row++) {
    for (int64_t span = 0; span < xr_span_count(a->cols); span++) {
      const int64_t at = span * XR_SPAN, offset = row * a->cols + at, n = xr_span_length(a->cols, at);
      float scratch_x[XR_SPAN], scratch_y[XR_SPAN], out[XR_SPAN];
      const float *x = xr_span_read(a->x, a->dtype, offset, n, scratch_x), *y = xr_span_read(a->y, a->dtype, offset, n, scratch_y);
      const float *gamma = a->gamma + at;
#pragma omp simd
      for (int64_t i = 0; i < n; i++) out[i] = x[i] + gamma[i] * y[i];
      xr_span_store(a->out, a->dtype, offset, n, out, false);
    }
  }
  return XR_OK;
}

/* dy and this unit's part of dgamma, whichever is wanted, from one reading of dout. */
static void backward_unit(const xr_layer_scale_args *a, const xr_row_sum_target *target, int64_t unit) {
  const xr_row_sum_unit u = xr_row_sum_unit_at(unit, a->rows, a->cols);
  float sum[XR_SPAN] = {0}, scratch_g[XR_SPAN], scratch_y[XR_SPAN], dy[XR_SPAN];
  for (int64_t row = u.first; row < u.end; row++) {
    const int64_t offset = row * a->cols + u.at;
    const float *g = xr_span_read(a->dout, a->dtype, offset, u.n, scratch_g);
    if (a->dgamma) {
      const float *y = xr_span_read(a->y, a->dtype, offset, u.n, scratch_y);
#pragma omp simd
      for (int64_t i = 0; i < u.n; i++) sum[i] += g[i] * y[i];
    }
    if (a->dy) {
      const float *gamma = a->gamma + u.at;
#pragma omp simd
      for (int64_t i = 0; i < u.n; i++) dy[i] = gamma[i] * g[i];
      xr_span_store(a->dy, a->dtype, offset, u.n, dy, a->accumulate_dy);
    }
  }
  if (a->dgamma) xr_row_sum_store(target, unit, sum);
}

xr_status xr_layer_scale_backward_cpu(const xr_layer_scale_args *a) {
  XR_TRY(xr_layer_scale_check(a));
  if (a->dx) xr_scaled_copy(a->dx, a->dtype, a->accumulate_dx, 1, a->dout, a->dtype, a->rows * a->cols);
  if (!a->dy && !a->dgamma) return XR_OK;
  const xr_row_sum_target target = {a->rows, a->cols, a->dgamma, XR_F32, a->accumulate_dgamma, a->workspace};
#pragma omp parallel for schedule(static)
  for (int64_t unit = 0; unit < xr_row_sum_unit_count(a->rows, a->cols); unit++) backward_unit(a, &target, unit);
  if (a->dgamma) xr_row_sum_finish(&target);
  return XR_OK;
}
