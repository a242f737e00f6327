#include "kernels/retrieval/unit_rows.h"

#include <math.h>

#include "kernels/retrieval/widen.h"

xr_status xr_unit_rows_check(const xr_unit_rows *a) {
  if (a->rows < 0 || a->width < 1 || (a->x_stride && a->x_stride < a->width) || (a->y_stride && a->y_stride < a->width))
    return xr_fail(XR_BAD_SHAPE, "unit rows: %lld rows of %lld elements, %lld and %lld from row to row", (long long)a->rows,
                   (long long)a->width, (long long)a->x_stride, (long long)a->y_stride);
  if (!xr_is_score_dtype(a->dtype)) return xr_fail(XR_UNSUPPORTED, "unit rows: dtype %s", xr_dtype_name(a->dtype));
  return XR_OK;
}

enum { PIECE = 256 }; /* a multiple of the lanes */

static double squared_length(const xr_unit_rows *a, int64_t offset) {
  double sum[XR_UNIT_LANES] = {0};
  for (int64_t k = 0; k < a->width; k += PIECE) {
    const int64_t n = a->width - k < PIECE ? a->width - k : PIECE;
    float x[PIECE];
    xr_widen_any(x, a->x, a->dtype, offset + k, n);
    for (int64_t i = n; i % XR_UNIT_LANES; i++) x[i] = 0; /* adds nothing */
    for (int64_t i = 0; i < n; i += XR_UNIT_LANES) {
#pragma omp simd
      for (int l = 0; l < XR_UNIT_LANES; l++) sum[l] += (double)x[i + l] * (double)x[i + l];
    }
  }
  for (int d = XR_UNIT_LANES / 2; d > 0; d /= 2)
    for (int l = 0; l < d; l++) sum[l] += sum[l + d];
  return sum[0];
}

xr_status xr_unit_rows_cpu(const xr_unit_rows *a) {
  XR_TRY(xr_unit_rows_check(a));
  const int64_t x_stride = a->x_stride ? a->x_stride : a->width, y_stride = a->y_stride ? a->y_stride : a->width;
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < a->rows; r++) {
    const double square = squared_length(a, r * x_stride);
    if (a->minus_half_squares) a->minus_half_squares[r] = (float)(-0.5 * square);
    if (!a->y) continue;
    const float length = (float)sqrt(square), divisor = length < XR_UNIT_EPSILON ? XR_UNIT_EPSILON : length;
    for (int64_t k = 0; k < a->width; k += PIECE) {
      const int64_t n = a->width - k < PIECE ? a->width - k : PIECE;
      float x[PIECE], *y = a->y + r * y_stride + k;
      xr_widen_any(x, a->x, a->dtype, r * x_stride + k, n);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) y[i] = x[i] / divisor;
    }
  }
  return XR_OK;
}
