/* Layer normalisation of rows, with an optional residual added first.
 *
 *   s    = x + residual                      (s = x without one)
 *   y    = (s - mean) * rstd * weight + bias,   rstd = 1 / sqrt(var + eps), var = mean((s - mean)^2)
 *
 * Backward, with g = dy * weight and n = (s - mean) * rstd:
 *   ds      = dsum + rstd * (g - mean(g) - n * mean(g * n))       dx = dresidual = ds
 *   dweight = sum over rows of dy * n,   dbias = sum over rows of dy
 *
 * Ba, Kiros, Hinton, "Layer normalization", 2016. Statistics are f32 under every dtype. rows >= 0, 1 <= cols <= XR_MAX_ROW. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t rows, cols;
  float eps;
  xr_dtype dtype;             /* of x, residual, sum, y and their gradients: XR_F32 or XR_BF16 */
  const void *x;              /* [rows, cols] */
  const void *residual;       /* [rows, cols] or NULL */
  void *sum;                  /* [rows, cols], s: forward writes it when there is a residual; may be the memory of x or residual */
  const float *weight, *bias; /* [cols] */
  void *y;                    /* [rows, cols] */
  float *mean, *rstd;         /* [rows]: forward writes, backward reads */
  /* backward: x above is s when there was a residual */
  const void *dy;         /* [rows, cols] */
  const void *dsum;       /* [rows, cols] or NULL: gradient that reaches s from elsewhere */
  void *dx;               /* [rows, cols] or NULL, may be the memory of dsum */
  bool accumulate_dx;     /* add to dx instead of assigning; then dx is not dsum */
  float *dweight, *dbias; /* [cols] */
  bool accumulate_dweight, accumulate_dbias;
  float *workspace; /* xr_layernorm_workspace() bytes, backward only */
} xr_layernorm;

enum { XR_LAYERNORM_PARTIALS = 512 }; /* at most this many partial sums of dweight and dbias */

size_t xr_layernorm_workspace(const xr_layernorm *a);

xr_status xr_layernorm_forward_cpu(const xr_layernorm *a);
xr_status xr_layernorm_forward_cuda(const xr_layernorm *a, xr_stream stream);
xr_status xr_layernorm_backward_cpu(const xr_layernorm *a);
xr_status xr_layernorm_backward_cuda(const xr_layernorm *a, xr_stream stream);

XR_C_END
