/* Batch normalisation: every column (channel) over all rows, with an optional residual and ReLU behind it. Feature maps [B, H, W, C] are
 * B H W rows; vectors [B, C] are B rows.
 *
 *   y = act((x - mean) * rstd * weight + bias + add),   rstd = 1 / sqrt(var + eps),   act(v) = max(v, 0) or v
 *
 * Training: mean and var are the rows' (var = sum (x - mean)^2 / rows), and the running statistics move towards them:
 *   running_mean += momentum * (mean - running_mean),   running_var += momentum * (var * rows / (rows - 1) - running_var)
 * One row has no unbiased variance: y is act(bias + add) and running_var stays (PyTorch refuses). Columns whose mean or variance is not
 * finite leave the running statistics as they are, so that a step that is left out for its infinities does no lasting harm.
 * Otherwise: mean and var are the running statistics.
 *
 * Backward (training only), with g = dy, 0 where ReLU gave 0 (y <= 0), and n = (x - mean) * rstd:
 *   dadd = g,   dbias = sum g,   dweight = sum g n,   dx = weight * rstd * (g - dbias / rows - n * dweight / rows)
 *
 * Ioffe, Szegedy, "Batch normalization", 2015. Statistics are f32 under every dtype. The moments of the rows are found in two steps: of
 * chunks of rows (mean, sum of squared differences), and of all chunks, merged in order as Chan, Golub, LeVeque do ("Updating formulae",
 * 1979). The backward sums are made in the same two steps. Between the steps lies the seam for statistics over several devices: only what
 * stands in the workspace there would have to be exchanged. rows >= 1, cols >= 1. */
#pragma once

#include <stdbool.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t rows, cols;
  float eps, momentum;
  bool training, relu;
  xr_dtype dtype;                    /* of x, add, y and their gradients: XR_F32 or XR_BF16 */
  const void *x;                     /* [rows, cols] */
  const void *add;                   /* [rows, cols] or NULL */
  const float *weight, *bias;        /* [cols] */
  float *running_mean, *running_var; /* [cols]; training: changed, or both NULL; otherwise: read */
  void *y;                           /* [rows, cols], may be the memory of x or add; backward reads it when relu */
  float *mean, *rstd;                /* [cols]: forward writes, backward reads */
  float *workspace;                  /* xr_batchnorm_workspace() bytes in training, both ways; otherwise not used */
  /* backward */
  const void *dy;                                                            /* [rows, cols] */
  void *dx, *dadd;                                                           /* [rows, cols] or NULL; one of them may be the memory of dy */
  float *dweight, *dbias;                                                    /* [cols] or NULL */
  bool accumulate_dx, accumulate_dadd, accumulate_dweight, accumulate_dbias; /* add; then dx (dadd) is not dy */
} xr_batchnorm;

xr_status xr_batchnorm_check(const xr_batchnorm *a); /* sizes and dtype: what every backend does first */
size_t xr_batchnorm_workspace(const xr_batchnorm *a);

xr_status xr_batchnorm_forward_cpu(const xr_batchnorm *a);
xr_status xr_batchnorm_forward_cuda(const xr_batchnorm *a, xr_stream stream);
xr_status xr_batchnorm_backward_cpu(const xr_batchnorm *a);
xr_status xr_batchnorm_backward_cuda(const xr_batchnorm *a, xr_stream stream);

XR_C_END
