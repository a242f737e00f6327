/* Weighted sums of tokens: y[b, k, :] = sum over n of w[b, n, k] x[b, n, :].
 *
 * Backward: dx[b, n, :] = sum over k of w[b, n, k] dy[b, k, :],   dw[b, n, k] = <dy[b, k, :], x[b, n, :]>.
 * Sums in f32 under every dtype, weights and their gradients are f32. batch, tokens, width >= 0, 1 <= K <= XR_MAX_SET_SIZE. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"
#include "kernels/embedding_set/set_kinds.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, tokens, set, width; /* B, N, K, D */
  xr_dtype dtype;                    /* of x, y and their gradients: XR_F32 or XR_BF16 */
  const void *x;                     /* [B, N, D] */
  const float *weights;              /* [B, N, K] */
  void *y;                           /* [B, K, D] */
  /* backward */
  const void *dy;  /* [B, K, D] */
  void *dx;        /* [B, N, D], or NULL */
  float *dweights; /* [B, N, K], or NULL */
  bool accumulate_dx, accumulate_dweights;
} xr_token_pool;

xr_status xr_token_pool_check(const xr_token_pool *a);
xr_status xr_token_pool_forward_cpu(const xr_token_pool *a);
xr_status xr_token_pool_forward_cuda(const xr_token_pool *a, xr_stream stream);
xr_status xr_token_pool_backward_cpu(const xr_token_pool *a);
xr_status xr_token_pool_backward_cuda(const xr_token_pool *a, xr_stream stream);

XR_C_END
