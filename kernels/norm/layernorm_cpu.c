#include "kernels/norm/layernorm.h"

#include <math.h>

#include "kernels/common/rows.h"

static xr_status check(const xr_layernorm *a) {
  if (a->rows < 0 || a->cols < 1 || a->cols > XR_MAX_ROW)
    return xr_fail(XR_BAD_SHAPE, "layernorm: rows of %lld elements, 1 to %d are supported", (long long)a->cols, XR_MAX_ROW);
  if (a->dtype != XR_F32 && a->dtype != XR_BF16) return xr_fail(XR_UNSUPPORTED, "layernorm: dtype %s", xr_dtype_name(a->dtype));
  return XR_OK;
}

size_t xr_layernorm_workspace(const xr_layernorm *a) {
  const int64_t rows = a->rows < XR_LAYERNORM_PARTIALS ? a->rows : XR_LAYERNORM_PARTIALS;
  const int64_t partials = rows < XR_REDUCTION_BLOCKS ? XR_REDUCTION_BLOCKS : rows;
  return (size_t)(partials * 2 * a->cols) * sizeof(float);
}

xr_status xr_layernorm_forward_cpu(const xr_layernorm *a) {
  XR_TRY(check(a));
  const int64_t n = a->cols;
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < a->rows; row++) {
    float scratch_x[XR_MAX_ROW], scratch_r[XR_MAX_ROW], scratch_y[XR_MAX_ROW];
    const float *s = xr_row_read(a->x, a->dtype, row, n, scratch_x);
    if (a->residual) {
      const float *r = xr_row_read(a->residual, a->dtype, row, n, scratch_r);
      float *sum = xr_row_target(a->sum, a->dtype, row, n, scratch_x);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) sum[i] = s[i] + r[i];
      xr_row_write(a->sum, a->dtype, row, n, sum);
      s = sum;
    }
    double total = 0, squares = 0; /* a row's sums are rounded once, however the loop is vectorised */
#pragma omp simd reduction(+ : total)
    for (int64_t i = 0; i < n; i++) total += (double)s[i];
    const float mean = (float)(total / (double)n);
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < n; i++) squares += (double)((s[i] - mean) * (s[i] - mean));
    const float rstd = (float)(1.0 / sqrt((double)squares / (double)n + (double)a->eps)); /* rounded once: it scales the whole row */
    float *y = xr_row_target(a->y, a->dtype, row, n, scratch_y);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = (s[i] - mean) * rstd * a->weight[i] + a->bias[i];
    xr_row_write(a->y, a->dtype, row, n, y);
    a->mean[row] = mean;
    a->rstd[row] = rstd;
  }
  return XR_OK;
}

static void backward_row(const xr_layernorm *a, int64_t row, float *dweight, float *dbias) {
  const int64_t n = a->cols;
  float scratch_s[XR_MAX_ROW], scratch_dy[XR_MAX_ROW], scratch_ds[XR_MAX_ROW], scratch_dx[XR_MAX_ROW];
  const float *s = xr_row_read(a->x, a->dtype, row, n, scratch_s), *dy = xr_row_read(a->dy, a->dtype, row, n, scratch_dy);
  const float mean = a->mean[row], rstd = a->rstd[row], *weight = a->weight;
  float mean_g = 0, mean_gn = 0;
#pragma omp simd reduction(+ : mean_g, mean_gn)
  for (int64_t i = 0; i < n; i++) {
    const float normal = (s[i] - mean) * rstd, g = dy[i] * weight[i];
    mean_g += g;
    mean_gn += g * normal;
    dweight[i] += dy[i] * normal;
    dbias[i] += dy[i];
  }
  if (!a->dx) return;
  mean_g /= (float)n;
  mean_gn /= (float)n;
  const float *dsum = a->dsum ? xr_row_read(a->dsum, a->dtype, row, n, scratch_ds) : NULL;
  const float *old = a->accumulate_dx ? xr_row_read(a->dx, a->dtype, row, n, scratch_dx) : NULL;
  float *dx = xr_row_target(a->dx, a->dtype, row, n, scratch_dx);
  for (int64_t i = 0; i < n; i++) {
    float d = rstd * (dy[i] * weight[i] - mean_g - (s[i] - mean) * rstd * mean_gn);
    if (dsum) d += dsum[i];
    if (old) d += old[i];
    dx[i] = d;
  }
  xr_row_write(a->dx, a->dtype, row, n, dx);
}

xr_status xr_layernorm_backward_cpu(const xr_layernorm *a) {
  XR_TRY(check(a));
  const int64_t n = a->cols, per_block = (a->rows + XR_REDUCTION_BLOCKS - 1) / XR_REDUCTION_BLOCKS;
#pragma omp parallel for schedule(static)
  for (int64_t block = 0; block < XR_REDUCTION_BLOCKS; block++) {
    float *dweight = a->workspace + block * 2 * n, *dbias = dweight + n;
    for (int64_t i = 0; i < 2 * n; i++) dweight[i] = 0;
    const int64_t end = (block + 1) * per_block < a->rows ? (block + 1) * per_block : a->rows;
    for (int64_t row = block * per_block; row < end; row++) backward_row(a, row, dweight, dbias);
  }
  for (int64_t i = 0; i < n; i++) {
    float dweight = a->accumulate_dweight ? a->dweight[i] : 0, dbias = a->accumulate_dbias ? a->dbias[i] : 0;
    for (int block = 0; block < XR_REDUCTION_BLOCKS; block++) {
      dweight += a->workspace[block * 2 * n + i];
      dbias += a->workspace[block * 2 * n + n + i];
    }
    a->dweight[i] = dweight;
    a->dbias[i] = dbias;
  }
  return XR_OK;
}
