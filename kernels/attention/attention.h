/* Multi-head scaled dot-product attention.
 *
 *   S = scale Q K^T,   P = softmax of S's rows over the keys that are not masked,   out = P V,   lse = log sum exp of S's rows
 *
 * Backward:
 *   dV = P^T dout,   dP = dout V^T,   dS = P (dP - rowsum(P dP)),   dQ = scale dS K,   dK = scale dS^T Q
 *
 * Vaswani et al., "Attention is all you need", 2017; the backward pass makes P again from lse, as Dao et al., "FlashAttention", 2022.
 * Element d of head h of token n of sample b lies at q[b * batch_stride + n * row_stride + h * head_dim + d], so one packed [B, N, 3 D]
 * tensor, packed [B, N, 2 D] keys and values, and separate tensors are all the same to it.
 *
 * A query without a single key (key_length 0) gives out 0, lse -infinity and gradients 0. Keys and values from key_length on are not
 * read. A key_length outside 0 .. key_count is refused by the CPU version; on CUDA every result of that sample is NaN.
 * On CUDA with bf16, P and dS are rounded to bf16 for the tensor cores, and rowsum(P dP) is made as rowsum(dout out) under every dtype.
 * batch >= 0, heads >= 1, 1 <= head_dim <= 128, query_count >= 0, 1 <= key_count <= 1024; sums and softmax in f32 under every dtype. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

enum { XR_ATTENTION_MAX_HEAD_DIM = 128, XR_ATTENTION_MAX_KEYS = 1024 };

/* Elements from one token to the next (at least heads * head_dim) and from one sample to the next. */
typedef struct {
  int64_t row, batch;
} xr_attention_stride;

typedef struct {
  int64_t batch, heads, head_dim, query_count, key_count;
  xr_dtype dtype;            /* of everything but key_length and lse: XR_F32 or XR_BF16 */
  bool causal;               /* query i sees keys 0 .. i */
  const int32_t *key_length; /* [batch] or NULL: sample b sees keys 0 .. key_length[b] - 1; 0 <= key_length <= key_count */
  float scale;               /* >= 0; 0 means 1 / sqrt(head_dim) */
  const void *q;             /* [batch, query_count, heads, head_dim]; q_stride.batch 0: one set of queries for every sample */
  const void *k, *v;         /* [batch, key_count, heads, head_dim] */
  void *out;                 /* [batch, query_count, heads, head_dim]: forward writes; backward on CUDA reads, on the CPU does not */
  xr_attention_stride q_stride, k_stride, v_stride, out_stride;
  float *lse; /* [batch, heads, query_count]: forward writes, backward reads; forward takes NULL */
  /* backward: each gradient has the strides of what it is the gradient of; that of shared queries is the sum over the batch */
  const void *dout;
  void *dq, *dk, *dv; /* none is NULL */
  bool accumulate_dq, accumulate_dk, accumulate_dv;
  void *workspace; /* xr_attention_workspace() bytes, aligned to 64; forward and backward */
} xr_attention;

/* Backward's, which is more than forward's. Of the strides only q_stride.batch matters (shared queries), of pointers none. */
size_t xr_attention_workspace(const xr_attention *a);

xr_status xr_attention_forward_cpu(const xr_attention *a);
xr_status xr_attention_forward_cuda(const xr_attention *a, xr_stream stream);
xr_status xr_attention_backward_cpu(const xr_attention *a);
xr_status xr_attention_backward_cuda(const xr_attention *a, xr_stream stream);

XR_C_END
