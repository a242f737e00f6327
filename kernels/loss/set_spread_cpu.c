#include "kernels/common/rows.h"
#include "kernels/loss/set_spread_pair.h"

enum { MOST = XR_MAX_SET_SIZE, COLUMNS = 256 };

xr_status xr_set_spread_check(const xr_set_spread *a) {
  if (a->batch < 1 || a->size < 1 || a->size > MOST || a->width < 1)
    return xr_fail(XR_BAD_SHAPE, "set_spread: [%lld, %lld, %lld]; legal are 1 set or more of 1 to %d elements", (long long)a->batch,
                   (long long)a->size, (long long)a->width, MOST);
  if ((unsigned)a->kind >= XR_SPREAD_KINDS) return xr_fail(XR_BAD_ARGUMENT, "set_spread: kind %d is not one that is listed", (int)a->kind);
  return XR_OK;
}

size_t xr_set_spread_workspace(const xr_set_spread *a) { return (size_t)a->batch * sizeof(float); }

static float pair_of(xr_spread_kind kind, const float *u, const float *v, int64_t width) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < width; i++) sum += xr_spread_product(kind, u[i], v[i]);
  return sum;
}

/* The pairs of set x, and the sum of their terms. */
static float pairs_of(const xr_set_spread *a, const float *x, float pair[MOST][MOST]) {
  double sum = 0;
  for (int64_t k = 0; k < a->size; k++)
    for (int64_t l = k + 1; l < a->size; l++) {
      pair[k][l] = pair[l][k] = pair_of(a->kind, x + k * a->width, x + l * a->width, a->width);
      sum += (double)xr_spread_term(a->kind, pair[k][l]);
    }
  return (float)sum;
}

xr_status xr_set_spread_forward_cpu(const xr_set_spread *a) {
  XR_TRY(xr_set_spread_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    float pair[MOST][MOST];
    a->workspace[b] = xr_spread_value(a->kind, (int)a->size, pairs_of(a, a->x + b * a->size * a->width, pair));
  }
  double total = 0;
  for (int64_t b = 0; b < a->batch; b++) total += (double)a->workspace[b];
  a->loss[0] = (float)(total / (double)a->batch);
  return XR_OK;
}

/* out (+)= sum over l != k of factor[k][l] times (u_k - u_l), or u_l */
static void gradient_of_set(const xr_set_spread *a, const float *x, float factor[MOST][MOST], float *out) {
  const float own = a->kind == XR_SPREAD_UNIFORMITY ? 1 : 0, other = a->kind == XR_SPREAD_UNIFORMITY ? -1 : 1;
  for (int64_t k = 0; k < a->size; k++)
    for (int64_t at = 0; at < a->width; at += COLUMNS) {
      const int64_t n = a->width - at < COLUMNS ? a->width - at : COLUMNS;
      const float *u = x + k * a->width + at;
      float sum[COLUMNS] = {0}, *to = out + k * a->width + at;
      for (int64_t l = 0; l < a->size; l++) {
        const float *v = x + l * a->width + at, f = factor[k][l];
        if (l == k) continue;
#pragma omp simd
        for (int64_t i = 0; i < n; i++) sum[i] += f * (own * u[i] + other * v[i]);
      }
      for (int64_t i = 0; i < n; i++) to[i] = a->accumulate_dx ? to[i] + sum[i] : sum[i];
    }
}

xr_status xr_set_spread_backward_cpu(const xr_set_spread *a) {
  XR_TRY(xr_set_spread_check(a));
  const float upstream = a->dloss[0] / (float)a->batch;
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    const float *x = a->x + b * a->size * a->width;
    float pair[MOST][MOST];
    const float sum = pairs_of(a, x, pair);
    for (int64_t k = 0; k < a->size; k++)
      for (int64_t l = 0; l < a->size; l++)
        if (l != k) pair[k][l] = upstream * xr_spread_factor(a->kind, (int)a->size, sum, pair[k][l]);
    gradient_of_set(a, x, pair, a->dx + b * a->size * a->width);
  }
  return XR_OK;
}
