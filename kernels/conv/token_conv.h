/* Depth-wise convolution along the tokens of each sample: every channel has its own K taps (K odd), zeros stand beyond both ends.
 *
 *   y[b, t, d] = sum over 0 <= k < K of weight[d, k] x[b, t + k - (K - 1) / 2, d]        t < length[b]; 0 elsewhere
 *
 * (a correlation, as torch.nn.Conv1d(D, D, K, padding = (K - 1) / 2, groups = D, bias = False) computes it). Tokens from length[b] on count
 * as zeros, whatever x holds there. Backward, with dy = 0 from length[b] on:
 *
 *   dx[b, t, d] = sum over k of weight[d, k] dy[b, t - k + (K - 1) / 2, d]               t < length[b]; 0 elsewhere
 *   dweight[d, k] = sum over b, t of dy[b, t, d] x[b, t + k - (K - 1) / 2, d]
 *
 * Sums over the batch are f32 and made in an order that follows from the shape alone. A length outside 0 .. tokens is XR_BAD_INPUT (naming
 * the sample) and nothing is written; on a GPU, where nobody looks first, it makes the sample's y and dx and all of dweight NaN. */
#pragma once

#include <stddef.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

enum {
  XR_TOKEN_CONV_TAPS = 9,  /* largest K */
  XR_TOKEN_CONV_PARTS = 64 /* dweight is made of at most this many partial sums, each over neighbouring samples */
};

typedef struct {
  int64_t batch, tokens, width, taps; /* B, T, D, K */
  xr_dtype dtype;                     /* of x, y and their gradients: XR_F32 or XR_BF16 */
  xr_dtype weight_dtype;              /* XR_F32 or XR_BF16 */
  const int32_t *length;              /* [B], or NULL: every length is T */
  const void *x;                      /* [B, T, D]; backward: for dweight only */
  const void *weight;                 /* [D, K]; backward: for dx only */
  void *y;                            /* [B, T, D] */
  /* backward */
  const void *dy; /* [B, T, D] */
  void *dx;       /* [B, T, D] or NULL: not wanted */
  float *dweight; /* [D, K] or NULL: not wanted */
  bool accumulate_dx, accumulate_dweight;
  float *workspace; /* xr_token_conv_workspace() bytes when dweight is wanted */
} xr_token_conv;

size_t xr_token_conv_workspace(const xr_token_conv *a); /* backward only */

/* Samples of one partial sum, and how many partial sums there are. */
static inline int64_t xr_token_conv_each(int64_t batch) { return (batch + XR_TOKEN_CONV_PARTS - 1) / XR_TOKEN_CONV_PARTS; }
static inline int64_t xr_token_conv_parts(int64_t batch) {
  const int64_t each = xr_token_conv_each(batch);
  return each ? (batch + each - 1) / each : 0;
}

xr_status xr_token_conv_check(const xr_token_conv *a); /* the arguments, not the data: what every backend does first */
xr_status xr_token_conv_forward_cpu(const xr_token_conv *a);
xr_status xr_token_conv_forward_cuda(const xr_token_conv *a, xr_stream stream);
xr_status xr_token_conv_backward_cpu(const xr_token_conv *a);
xr_status xr_token_conv_backward_cuda(const xr_token_conv *a, xr_stream stream);

XR_C_END
