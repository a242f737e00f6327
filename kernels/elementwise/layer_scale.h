/* A residual addition whose branch is scaled by a learned vector: out = x + gamma y, gamma for each column.
 * Backward: dx = dout, dy = gamma dout, dgamma = sum over rows of dout y.
 *
 * LayerScale of Touvron et al., "Going deeper with image transformers" (CaiT), 2021. rows >= 0, cols >= 1. Sums are f32 and made in an
 * order that follows from the shape alone. */
#pragma once

#include <stddef.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t rows, cols; /* R, D */
  xr_dtype dtype;     /* of x, y, out and their gradients: XR_F32 or XR_BF16 */
  const void *x;      /* [R, D], forward only */
  const void *y;      /* [R, D]; backward: for dgamma only */
  const float *gamma; /* [D]; backward: for dy only */
  void *out;          /* [R, D], may be the memory of x or y */
  /* backward */
  const void *dout; /* [R, D] */
  void *dx;         /* [R, D] or NULL: not wanted, or it is dout */
  void *dy;         /* [R, D] or NULL; may be the memory of dout, and of dx when accumulate_dy */
  float *dgamma;    /* [D] or NULL */
  bool accumulate_dx, accumulate_dy, accumulate_dgamma;
  float *workspace; /* xr_layer_scale_workspace() bytes when dgamma is wanted; NULL when that is 0 */
} xr_layer_scale_args;

size_t xr_layer_scale_workspace(const xr_layer_scale_args *a); /* backward only */

xr_status xr_layer_scale_check(const xr_layer_scale_args *a); /* the arguments, not the data: what every backend does first */
xr_status xr_layer_scale_forward_cpu(const xr_layer_scale_args *a);
xr_status xr_layer_scale_forward_cuda(const xr_layer_scale_args *a, xr_stream stream);
xr_status xr_layer_scale_backward_cpu(const xr_layer_scale_args *a);
xr_status xr_layer_scale_backward_cuda(const xr_layer_scale_args *a, xr_stream stream);

XR_C_END
