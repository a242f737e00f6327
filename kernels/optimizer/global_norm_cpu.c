#include "kernels/optimizer/global_norm.h"

#include <math.h>

size_t xr_global_norm_workspace(const xr_global_norm *a) { return (size_t)a->table.chunks * sizeof(double); }

/* Squares of f32 fit in f64, so the sum is finite exactly when every element is. */
static double sum_of_squares(const float *gradient, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += (double)gradient[i] * (double)gradient[i];
  return sum;
}

xr_status xr_global_norm_check(const xr_global_norm *a) {
  if (!(a->max_norm >= 0))
    return xr_fail(XR_BAD_ARGUMENT, "global_norm: max_norm %g; legal are 0 (no clipping) and above", (double)a->max_norm);
  return XR_OK;
}

xr_status xr_global_norm_cpu(const xr_global_norm *a) {
  XR_TRY(xr_global_norm_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->table.chunks; i++)
    a->workspace[i] = sum_of_squares(a->gradient + a->table.chunk[i].offset, a->table.chunk[i].count);
  double total = 0;
  int32_t first_bad = -1;
  for (int64_t i = 0; i < a->table.chunks; i++) {
    if (!isfinite(a->workspace[i]) && first_bad < 0) first_bad = a->table.chunk[i].segment;
    total += a->workspace[i];
  }
  const double norm = first_bad < 0 ? sqrt(total) : NAN, limit = (double)a->max_norm / (norm + 1e-6);
  a->norm[0] = (float)norm;
  const bool left_out = first_bad >= 0 || (a->loss && !isfinite(a->loss[0]));
  a->factor[0] = left_out ? NAN : a->max_norm > 0 && limit < 1 ? (float)limit : 1;
  a->first_bad[0] = first_bad;
  return XR_OK;
}
