/* The class token put before a row of tokens, with learned positions.
 *
 *   y[b, 0, :]     = class_token + position[0, :]
 *   y[b, 1 + i, :] = x[b, i, :] + position[1 + i, :]
 *
 * Backward:
 *   dclass_token = sum over b of dy[b, 0, :],   dposition[t, :] = sum over b of dy[b, t, :],   dx[b, i, :] = dy[b, 1 + i, :]
 *
 * Dosovitskiy et al., "An image is worth 16x16 words", 2021. Any batch, tokens >= 0, width >= 1. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, tokens, width; /* B, N, D */
  xr_dtype dtype;               /* of x, position, y, dy, dx: XR_F32 or XR_BF16 */
  const void *x;                /* [B, N, D] */
  const float *class_token;     /* [D] */
  const void *position;         /* [N + 1, D] */
  void *y;                      /* [B, N + 1, D] */
  /* backward: any of the gradients may be NULL */
  const void *dy;      /* [B, N + 1, D] */
  void *dx;            /* [B, N, D] */
  float *dclass_token; /* [D] */
  float *dposition;    /* [N + 1, D] */
  bool accumulate_dx, accumulate_dclass_token, accumulate_dposition;
} xr_class_token;

xr_status xr_class_token_check(const xr_class_token *a); /* the arguments, not the data: what every backend does first */
xr_status xr_class_token_forward_cpu(const xr_class_token *a);
xr_status xr_class_token_forward_cuda(const xr_class_token *a, xr_stream stream);
xr_status xr_class_token_backward_cpu(const xr_class_token *a);
xr_status xr_class_token_backward_cuda(const xr_class_token *a, xr_stream stream);

XR_C_END
