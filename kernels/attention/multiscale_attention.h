/* Multi-scale attention: a few queries that the batch shares attend to the tokens of each scale, and a gate mixes the scales.
 *
 * For sample b, scale s, head h, query m, over the keys j < key_length of that scale (all of them without lengths):
 *   P   = softmax over j of scale <q[m, h], k_s[b, j, h]>
 *   A_s = sum over j of P_j (v_s[b, j, h] + code_s[h])       = sum_j P_j v_j + code_s
 * and, with a gate vector, over the whole width D = heads * head_dim:
 *   l_s = <gate, A_s[b, m]>,   g = softmax over s of l,   fused[b, m] = sum over s of g_s A_s[b, m]
 *
 * Backward, with F = dfused[b, m], E_s = dper_scale[b, s, m] and both where both are given:
 *   dl_s = g_s (<F, A_s> - sum_r g_r <F, A_r>),   dA_s = E_s + g_s F + dl_s gate
 *   dgate = sum over b, m, s of dl_s A_s,   dcode_s = sum over b, m of dA_s
 *   dv_j = sum_m P_j dA_s,   dS_j = P_j (<dA_s, v_j> - <dA_s, A_s - code_s>),   dk_j = scale sum_m dS_j q[m]
 *   dq[m] = scale sum over b, s, j of dS_j k_j
 * P is made again from lse. The gate reads A_s as stored (rounded to dtype), so that the fused result is what per_scale and scale_gate.h
 * give.
 *
 * A scale code on the projected keys would be in vain: it moves all scores of a softmax by the same <q, code>. So it goes to the values.
 * Keys from key_length on are not read and get gradients 0. Without a single key A_s is 0, code or not, lse is -infinity, and dv, dk and
 * what reaches dcode are 0; the gate still counts that scale, with l_s = 0. A key_length outside 0 .. keys is XR_BAD_INPUT on the CPU and
 * makes the results of that sample NaN on the device.
 *
 * How models are composed of it (integration of features over scales, CMSN):
 *   Q' = linear(LN_q(Q)) [M, D];  a scale code before LN_k is the bias of the projection to X_s;  K_s, V_s = linear(LN_k(X_s)) [B, N_s, 2
 * D] with a feed-forward network between attention and gate: per_scale (no gate vector) -> output projection, residual Q, FFN: Z_s ->
 *     logits = linear(LN(Z_s)) to one column -> scale_gate.h.  The projections stand between, so no kernel could hold both ends;
 *   without one: fused with gate = W_o' w_g, then the output projection: sum_s g_s (A_s W_o + b) = (sum_s g_s A_s) W_o + b, since the
 *     gates sum to 1, and <w_g, A_s W_o + b> differs from <W_o' w_g, A_s> by the same for every scale. The cut before the projection
 *     is thus exact, and S times cheaper.
 *
 * The attention of models with more queries than these, or more scales, is attention.h and scale_gate.h.
 * batch >= 0, 1 <= scales <= 4, 1 <= queries <= 16, heads >= 1, 1 <= head_dim <= 128, heads * head_dim <= 8192, 1 <= keys <= 1024; sums and
 * softmax in f32 under every dtype. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

enum {
  XR_MULTISCALE_MAX_SCALES = 4,
  XR_MULTISCALE_MAX_QUERIES = 16,
  XR_MULTISCALE_MAX_HEAD_DIM = 128,
  XR_MULTISCALE_MAX_WIDTH = 8192,
  XR_MULTISCALE_MAX_KEYS = 1024
};

/* The tokens of one scale. Element d of head h of token n of sample b lies at k[b * batch_stride + n * row_stride + h * head_dim + d], v
 * and the gradients alike: two halves of a packed [B, N, 2 D], or tensors of their own. */
typedef struct {
  int64_t keys;              /* N_s */
  const int32_t *key_length; /* [batch] or NULL; 0 <= key_length <= keys */
  const void *k, *v;         /* [batch, keys, D] */
  int64_t row_stride;        /* elements, at least D */
  int64_t batch_stride;      /* elements */
  const float *code;         /* [D] or NULL */
  /* backward */
  void *dk, *dv; /* [batch, keys, D] */
  float *dcode;  /* [D]; NULL without a code */
  bool accumulate_dk, accumulate_dv, accumulate_dcode;
} xr_attention_scale;

typedef struct {
  int64_t batch, scales, queries, heads, head_dim; /* B, S, M; D = heads * head_dim */
  xr_dtype dtype;                                  /* of q, k, v, per_scale, fused and their gradients: XR_F32 or XR_BF16 */
  float scale;                                     /* 0 means 1 / sqrt(head_dim) */
  const void *q;                                   /* [M, D] */
  xr_attention_scale at[XR_MULTISCALE_MAX_SCALES]; /* [scales] */
  const float *gate;                               /* [D], or NULL: no fusion, and gates and fused are not touched */
  void *per_scale;                                 /* [B, S, M, D], A: forward writes, backward reads */
  float *lse;                                      /* [S, B, heads, M]: forward writes, backward reads */
  float *gates;                                    /* [B, S, M], g: forward writes, backward reads */
  void *fused;                                     /* [B, M, D]; backward does not need it */
  /* backward */
  const void *dfused;     /* [B, M, D], with a gate only; NULL: no gradient reaches it */
  const void *dper_scale; /* [B, S, M, D] or NULL */
  void *dq;               /* [M, D] */
  float *dgate;           /* [D]; NULL without a gate */
  bool accumulate_dq, accumulate_dgate;
  void *workspace; /* xr_multiscale_attention_workspace() bytes, aligned to 256; forward and backward */
} xr_multiscale_attention;

/* Sizes, strides and dtype, and the gradients given; not the lengths, which may lie on the device. */
xr_status xr_multiscale_attention_check(const xr_multiscale_attention *a, bool backward);
size_t xr_multiscale_attention_workspace(const xr_multiscale_attention *a); /* pointers and strides do not matter */

xr_status xr_multiscale_attention_forward_cpu(const xr_multiscale_attention *a);
xr_status xr_multiscale_attention_forward_cuda(const xr_multiscale_attention *a, xr_stream stream);
xr_status xr_multiscale_attention_backward_cpu(const xr_multiscale_attention *a);
xr_status xr_multiscale_attention_backward_cuda(const xr_multiscale_attention *a, xr_stream stream);

XR_C_END
