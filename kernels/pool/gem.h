/* Generalised-mean pooling of feature maps, channel by channel: between the mean (p = 1) and the maximum (p large).
 *
 *   m[b, c] = (1/N) sum over n of max(x[b, n, c], 0)^p + eps,   y[b, c] = m^(1/p)
 *
 * Backward:  dx[b, n, c] = dy x^(p-1) m^(1/p - 1) / N where x > 0, else 0
 *            dp = sum over b, c of dy y (mean over n of x^p ln x / (p m) - ln m / p^2),   x^p ln x = 0 where x <= 0
 * A column with m = 0 has no gradient.
 *
 * Radenovic, Tolias, Chum, "Fine-tuning CNN image retrieval with no human annotation", 2018; eps as AGW has it, 1e-12, behind the mean.
 * Maps come out of ReLU; what is negative all the same counts as 0. N >= 1, p > 0 (not looked at: it may be learned). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, places, channels; /* B, N = H W, C */
  float power, eps;                /* power: p, where the pointer below is NULL */
  const float *learned_power;      /* [1] or NULL */
  xr_dtype dtype;                  /* of x and dx: XR_F32 or XR_BF16 */
  const void *x;                   /* [B, N, C] */
  float *y, *mean;                 /* [B, C]: y and m; backward reads m */
  /* backward */
  const float *dy; /* [B, C] */
  void *dx;        /* [B, N, C] or NULL */
  float *dpower;   /* [1] or NULL */
  bool accumulate_dx, accumulate_dpower;
  float *workspace; /* xr_gem_workspace() bytes, for dpower */
} xr_gem;

xr_status xr_gem_check(const xr_gem *a);
size_t xr_gem_workspace(const xr_gem *a);
xr_status xr_gem_forward_cpu(const xr_gem *a);
xr_status xr_gem_forward_cuda(const xr_gem *a, xr_stream stream);
xr_status xr_gem_backward_cpu(const xr_gem *a);
xr_status xr_gem_backward_cuda(const xr_gem *a, xr_stream stream);

XR_C_END
