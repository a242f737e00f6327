/* What both backends share of xr_mmd: what a pair of rows adds, and the layout of the workspace. */
#pragma once

#include <math.h>

#include "kernels/common/math.h"
#include "kernels/loss/mmd.h"

enum { XR_MMD_TILE = 32 }; /* partial sums of the loss: at most one for each tile of so many rows by so many */

static inline int64_t xr_mmd_rows(const xr_mmd *a) { return a->rows[0] + a->rows[1]; }

/* Workspace: f64 partial sums [tiles * tiles], then the factors f32 [R, R], R = N + M. */
static inline int64_t xr_mmd_tiles(int64_t rows) { return (rows + XR_MMD_TILE - 1) / XR_MMD_TILE; }
static inline double *xr_mmd_sums(const xr_mmd *a) { return (double *)a->workspace; }
static inline float *xr_mmd_factors(const xr_mmd *a) {
  const int64_t tiles = xr_mmd_tiles(xr_mmd_rows(a));
  return (float *)(xr_mmd_sums(a) + tiles * tiles);
}

typedef struct {
  float x, y, across; /* 1/N^2, 1/M^2 and -1/(N M) */
  int64_t first;      /* rows of X */
} xr_mmd_weights;

static inline xr_mmd_weights xr_mmd_weights_of(const xr_mmd *a) {
  const double n = (double)a->rows[0], m = (double)a->rows[1];
  const xr_mmd_weights w = {(float)(1 / (n * n)), (float)(1 / (m * m)), (float)(-1 / (n * m)), a->rows[0]};
  return w;
}

XR_MATH_INLINE float xr_mmd_weight(const xr_mmd_weights *w, int64_t a, int64_t b) {
  return (a < w->first) != (b < w->first) ? w->across : a < w->first ? w->x : w->y;
}

/* A pair of weight w at this squared distance: returns w k, and *factor, with which z_a - z_b goes into the gradient of z_a (both orders of
 * the pair). A NaN stays one. */
XR_MATH_INLINE float xr_mmd_pair(xr_mmd_options o, float w, float squared, float *factor) {
  const bool clamped = squared < XR_MMD_CLAMP;
  const float square = clamped ? XR_MMD_CLAMP : squared;
  if (o.kernel == XR_MMD_GAUSS) {
    const float k = w * xr_exp(-o.gamma * square);
    *factor = clamped ? 0 : -4 * o.gamma * k;
    return k;
  }
  const float d = sqrtf(square), k = w * xr_exp(-o.gamma * d);
  *factor = clamped ? 0 : -2 * o.gamma * k / d;
  return k;
}
