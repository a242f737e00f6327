#include "kernels/common/spans.h"
#include "kernels/loss/mmd_pair.h"

enum { TILE = XR_MMD_TILE, AHEAD = 4 /* rows that are worked on together */, COLUMNS = 256 };

xr_status xr_mmd_check(const xr_mmd *a) {
  const int64_t n = a->rows[0], m = a->rows[1];
  if (n < 1 || m < 1 || n > 32768 || m > 32768 || a->width < 1)
    return xr_fail(XR_BAD_SHAPE, "mmd: [%lld, %lld] and [%lld, %lld]; legal are 1 to 32768 rows of 1 element or more", (long long)n,
                   (long long)a->width, (long long)m, (long long)a->width);
  if ((unsigned)a->options.kernel >= XR_MMD_KERNELS)
    return xr_fail(XR_BAD_ARGUMENT, "mmd: kernel %d is not one that is listed", (int)a->options.kernel);
  if (!(a->options.gamma > 0 && a->options.gamma < INFINITY))
    return xr_fail(XR_BAD_ARGUMENT, "mmd: gamma %g (legal: above 0, finite)", (double)a->options.gamma);
  return XR_OK;
}

size_t xr_mmd_workspace(const xr_mmd *a) {
  const int64_t rows = xr_mmd_rows(a), tiles = xr_mmd_tiles(rows);
  return (size_t)(tiles * tiles) * sizeof(double) + (size_t)(rows * rows) * sizeof(float);
}

static const float *row_at(const xr_mmd *a, int64_t row) {
  return row < a->rows[0] ? a->x[0] + row * a->width : a->x[1] + (row - a->rows[0]) * a->width;
}

/* The last rows stand in for those behind them. */
static void rows_at(const xr_mmd *a, int64_t row, int64_t end, const float *z[AHEAD]) {
  for (int k = 0; k < AHEAD; k++) z[k] = row_at(a, row + k < end ? row + k : end - 1);
}

static void squared_distances(const float *restrict a, const float *const z[AHEAD], int64_t width, float out[AHEAD]) {
  const float *restrict z0 = z[0], *restrict z1 = z[1], *restrict z2 = z[2], *restrict z3 = z[3];
  float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
  for (int64_t i = 0; i < width; i++) {
    const float d0 = a[i] - z0[i], d1 = a[i] - z1[i], d2 = a[i] - z2[i], d3 = a[i] - z3[i];
    s0 += d0 * d0;
    s1 += d1 * d1;
    s2 += d2 * d2;
    s3 += d3 * d3;
  }
  out[0] = s0;
  out[1] = s1;
  out[2] = s2;
  out[3] = s3;
}

/* Factors of the pairs of two tiles of rows, in both orders; returns their part of the loss. tile_a <= tile_b. */
static double tile_pair(const xr_mmd *a, const xr_mmd_weights *weights, int64_t tile_a, int64_t tile_b) {
  const int64_t rows = xr_mmd_rows(a), end_a = (tile_a + 1) * TILE < rows ? (tile_a + 1) * TILE : rows,
                end_b = (tile_b + 1) * TILE < rows ? (tile_b + 1) * TILE : rows;
  float *factor = xr_mmd_factors(a);
  double sum = 0;
  for (int64_t i = tile_a * TILE; i < end_a; i++) {
    for (int64_t j = tile_b * TILE; j < end_b; j += AHEAD) {
      const float *z[AHEAD];
      float square[AHEAD];
      rows_at(a, j, end_b, z);
      squared_distances(row_at(a, i), z, a->width, square);
      for (int k = 0; k < AHEAD && j + k < end_b; k++) {
        float f;
        sum += (double)xr_mmd_pair(a->options, xr_mmd_weight(weights, i, j + k), square[k], &f);
        factor[i * rows + j + k] = factor[(j + k) * rows + i] = f;
      }
    }
  }
  return tile_a == tile_b ? sum : 2 * sum;
}

static void factors(const xr_mmd *a) {
  const xr_mmd_weights weights = xr_mmd_weights_of(a);
  const int64_t tiles = xr_mmd_tiles(xr_mmd_rows(a));
  double *sums = xr_mmd_sums(a);
#pragma omp parallel for schedule(static, 1)
  for (int64_t unit = 0; unit < tiles * tiles; unit++) {
    const int64_t tile_a = unit / tiles, tile_b = unit % tiles;
    sums[unit] = tile_a <= tile_b ? tile_pair(a, &weights, tile_a, tile_b) : 0;
  }
  double total = 0;
  for (int64_t unit = 0; unit < tiles * tiles; unit++) total += sums[unit];
  a->loss[0] = (float)total;
}

/* Columns at .. at + n-1 of the gradient of the rows first .. end-1. */
static void gradient_piece(const xr_mmd *a, int64_t first, int64_t end, int64_t at, int64_t n) {
  const int64_t rows = xr_mmd_rows(a);
  float sum[TILE][COLUMNS] = {{0}};
  for (int64_t j = 0; j < rows; j += AHEAD) {
    const float *z[AHEAD];
    rows_at(a, j, rows, z);
    const float *restrict z0 = z[0] + at, *restrict z1 = z[1] + at, *restrict z2 = z[2] + at, *restrict z3 = z[3] + at;
    for (int64_t i = first; i < end; i++) {
      float f[AHEAD] = {0}, *restrict to = sum[i - first];
      memcpy(f, xr_mmd_factors(a) + i * rows + j, (size_t)(rows - j < AHEAD ? rows - j : AHEAD) * sizeof *f);
      const float *restrict own = row_at(a, i) + at;
#pragma omp simd
      for (int64_t c = 0; c < n; c++)
        to[c] += f[0] * (own[c] - z0[c]) + f[1] * (own[c] - z1[c]) + f[2] * (own[c] - z2[c]) + f[3] * (own[c] - z3[c]);
    }
  }
  for (int64_t i = first; i < end; i++) {
    float *out = i < a->rows[0] ? a->gradient[0] + i * a->width : a->gradient[1] + (i - a->rows[0]) * a->width;
    memcpy(out + at, sum[i - first], (size_t)n * sizeof *out);
  }
}

static void gradients(const xr_mmd *a) {
  const int64_t rows = xr_mmd_rows(a), pieces = (a->width + COLUMNS - 1) / COLUMNS;
#pragma omp parallel for schedule(static)
  for (int64_t unit = 0; unit < xr_mmd_tiles(rows) * pieces; unit++) {
    const int64_t first = unit / pieces * TILE, at = unit % pieces * COLUMNS;
    gradient_piece(a, first, first + TILE < rows ? first + TILE : rows, at, a->width - at < COLUMNS ? a->width - at : COLUMNS);
  }
}

xr_status xr_mmd_forward_cpu(const xr_mmd *a) {
  XR_TRY(xr_mmd_check(a));
  factors(a);
  gradients(a);
  return XR_OK;
}

xr_status xr_mmd_backward_cpu(const xr_mmd *a) {
  XR_TRY(xr_mmd_check(a));
  for (int side = 0; side < 2; side++)
    if (a->dx[side])
      xr_scaled_copy(a->dx[side], XR_F32, a->accumulate_dx[side], a->dloss[0], a->gradient[side], XR_F32, a->rows[side] * a->width);
  return XR_OK;
}
