#include "kernels/pool/grid_mean.h"

#include "kernels/common/spans.h"

xr_status xr_grid_mean_check(const xr_grid_mean *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "grid_mean: dtype %s", xr_dtype_name(a->dtype));
  if (a->batch < 0 || a->width < 0 || a->first < 0 || a->first > 1 || a->grid_height < 1 || a->grid_width < 1 || a->factor < 1)
    return xr_fail(XR_BAD_SHAPE, "grid_mean: x [%lld, %lld + %lld x %lld, %lld] in cells of side %lld", (long long)a->batch,
                   (long long)a->first, (long long)a->grid_height, (long long)a->grid_width, (long long)a->width, (long long)a->factor);
  if (a->grid_height % a->factor || a->grid_width % a->factor)
    return xr_fail(XR_BAD_SHAPE,
                   "grid_mean: a grid of %lld x %lld tokens has no whole cells of %lld x %lld; choose a factor that divides both",
                   (long long)a->grid_height, (long long)a->grid_width, (long long)a->factor, (long long)a->factor);
  return XR_OK;
}

static int64_t tokens_of(const xr_grid_mean *a) { return a->first + a->grid_height * a->grid_width; }

static void forward_cell(const xr_grid_mean *a, int64_t b, int64_t cell, int64_t at, int64_t n) {
  const int64_t columns = a->grid_width / a->factor, row = cell / columns * a->factor, column = cell % columns * a->factor;
  const float count = (float)(a->factor * a->factor);
  float sum[XR_SPAN] = {0}, scratch[XR_SPAN];
  for (int64_t i = row; i < row + a->factor; i++) {
    for (int64_t j = column; j < column + a->factor; j++) {
      const int64_t token = b * tokens_of(a) + a->first + i * a->grid_width + j;
      const float *x = xr_span_read(a->x, a->dtype, token * a->width + at, n, scratch);
#pragma omp simd
      for (int64_t k = 0; k < n; k++) sum[k] += x[k];
    }
  }
#pragma omp simd
  for (int64_t k = 0; k < n; k++) sum[k] /= count;
  xr_span_store(a->y, a->dtype, (b * xr_grid_mean_cells(a) + cell) * a->width + at, n, sum, false);
}

xr_status xr_grid_mean_forward_cpu(const xr_grid_mean *a) {
  XR_TRY(xr_grid_mean_check(a));
  const int64_t cells = xr_grid_mean_cells(a);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < a->batch; b++)
    for (int64_t cell = 0; cell < cells; cell++)
      for (int64_t at = 0; at < a->width; at += XR_SPAN) forward_cell(a, b, cell, at, xr_span_length(a->width, at));
  return XR_OK;
}

static void backward_token(const xr_grid_mean *a, int64_t b, int64_t t) {
  const int64_t to = (b * tokens_of(a) + t) * a->width, place = t - a->first;
  if (place < 0) {
    if (!a->accumulate_dx) xr_span_zero(a->dx, a->dtype, to, a->width);
    return;
  }
  const int64_t columns = a->grid_width / a->factor;
  const int64_t cell = place / a->grid_width / a->factor * columns + place % a->grid_width / a->factor;
  const float count = (float)(a->factor * a->factor);
  for (int64_t at = 0; at < a->width; at += XR_SPAN) {
    const int64_t n = xr_span_length(a->width, at);
    float scratch[XR_SPAN], dx[XR_SPAN];
    const float *g = xr_span_read(a->dy, a->dtype, (b * xr_grid_mean_cells(a) + cell) * a->width + at, n, scratch);
#pragma omp simd
    for (int64_t k = 0; k < n; k++) dx[k] = g[k] / count;
    xr_span_store(a->dx, a->dtype, to + at, n, dx, a->accumulate_dx);
  }
}

xr_status xr_grid_mean_backward_cpu(const xr_grid_mean *a) {
  XR_TRY(xr_grid_mean_check(a));
  const int64_t tokens = tokens_of(a);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < a->batch; b++)
    for (int64_t t = 0; t < tokens; t++) backward_token(a, b, t);
  return XR_OK;
}
