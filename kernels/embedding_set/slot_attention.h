/* Slot attention: K slots of a sample divide its tokens among themselves, then each slot averages its tokens.
 *
 * For sample b, head h, slot k and the tokens n < length (all N without lengths):
 *   a[k, n] = <q[b, k, h], k[b, n, h]> / sqrt(head_dim)
 *   s[k, n] = softmax over the slots k of a[., n]           each token's one vote, so that slots compete for tokens
 *   Z_k     = sum over n of s[k, n],   w[k, n] = s[k, n] / (Z_k + 1e-7)
 *   out[b, k, h] = sum over n of w[k, n] v[b, n, h]
 *
 * Backward, with G[k, n] = <dout[k], v[n]> and m_k = sum over n of w[k, n] G[k, n] = <dout[k], out[k]>, out as it was stored:
 *   u[k, n] = w[k, n] (G[k, n] - m_k),   da[k, n] = u[k, n] - s[k, n] sum over j of u[j, n]
 *   dv[n] = sum_k w[k, n] dout[k],   dk[n] = sum_k da[k, n] q[k] / sqrt(head_dim),   dq[k] = sum_n da[k, n] k[n] / sqrt(head_dim)
 *
 * The softmax of a token needs that token alone, and Z and m are known when backward starts: both passes read each key and value once and
 * keep no score.
 *
 * Tokens from `length` on are not read and get gradients 0 (a plain program masks scores with -infinity for all slots, which gives such a
 * token to all slots alike; it must be no slot's). A sample without a token has out, Z and all its gradients 0. A length outside 0 .. N is
 * XR_BAD_INPUT on the CPU and makes the results of that sample NaN on the device.
 *
 * Locatello et al., "Object-centric learning with slot attention", 2020, without its recurrence; as in DivE (Kim et al., 2023) with heads.
 * batch >= 0, 1 <= slots <= 16, 1 <= tokens <= 600, 1 <= heads <= 16, 1 <= head_dim <= 128. Sums and softmax are f32 under every dtype. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

enum {
  XR_SLOT_ATTENTION_MAX_SLOTS = 16,
  XR_SLOT_ATTENTION_MAX_TOKENS = 600,
  XR_SLOT_ATTENTION_MAX_HEADS = 16,
  XR_SLOT_ATTENTION_MAX_HEAD_DIM = 128
};

typedef struct {
  int64_t batch, slots, tokens, heads, head_dim; /* B, K, N; D = heads * head_dim */
  xr_dtype dtype;                                /* of q, k, v, out and their gradients: XR_F32 or XR_BF16 */
  const int32_t *length;                         /* [B], or NULL: every length is N */
  const void *q;                                 /* [B, K, D] */
  const void *k, *v;                             /* [B, N, D], rows row_stride elements apart: two tensors, or the halves of a packed one */
  int64_t row_stride;                            /* at least D; of dk and dv too */
  void *out;                                     /* [B, K, D]: forward writes, backward reads */
  float *sums;                                   /* [B, heads, K], Z: forward writes, backward reads */
  /* backward */
  const void *dout; /* [B, K, D] */
  void *dq;         /* [B, K, D] */
  void *dk, *dv;    /* as k and v */
  bool accumulate_dq, accumulate_dk, accumulate_dv;
} xr_slot_attention;

xr_status xr_slot_attention_check(const xr_slot_attention *a); /* the arguments, not the data: what every backend does first */
xr_status xr_slot_attention_forward_cpu(const xr_slot_attention *a);
xr_status xr_slot_attention_forward_cuda(const xr_slot_attention *a, xr_stream stream);
xr_status xr_slot_attention_backward_cpu(const xr_slot_attention *a);
xr_status xr_slot_attention_backward_cuda(const xr_slot_attention *a, xr_stream stream);

XR_C_END
