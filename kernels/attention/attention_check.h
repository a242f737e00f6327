/* What both backends of attention.h refuse without looking at values. */
#pragma once

#include "kernels/attention/attention.h"

static inline xr_status xr_attention_check(const xr_attention *a) {
  const int64_t width = a->heads * a->head_dim;
  if (a->batch < 0 || a->heads < 1 || a->query_count < 0)
    return xr_fail(XR_BAD_SHAPE, "attention: %lld samples, %lld heads, %lld queries", (long long)a->batch, (long long)a->heads,
                   (long long)a->query_count);
  if (a->head_dim < 1 || a->head_dim > XR_ATTENTION_MAX_HEAD_DIM || a->key_count < 1 || a->key_count > XR_ATTENTION_MAX_KEYS)
    return xr_fail(XR_BAD_SHAPE, "attention: head_dim %lld with %lld keys; 1 to %d and 1 to %d are supported", (long long)a->head_dim,
                   (long long)a->key_count, XR_ATTENTION_MAX_HEAD_DIM, XR_ATTENTION_MAX_KEYS);
  if (a->dtype != XR_F32 && a->dtype != XR_BF16) return xr_fail(XR_UNSUPPORTED, "attention: dtype %s", xr_dtype_name(a->dtype));
  if (!(a->scale >= 0)) return xr_fail(XR_BAD_ARGUMENT, "attention: scale %g; it must not be negative", (double)a->scale);
  if (a->q_stride.row < width || a->k_stride.row < width || a->v_stride.row < width || a->out_stride.row < width)
    return xr_fail(XR_BAD_SHAPE, "attention: row strides %lld, %lld, %lld, %lld of q, k, v, out are shorter than %lld heads of %lld",
                   (long long)a->q_stride.row, (long long)a->k_stride.row, (long long)a->v_stride.row, (long long)a->out_stride.row,
                   (long long)a->heads, (long long)a->head_dim);
  if (a->batch > 1 && a->query_count > 0 && a->out_stride.batch == 0)
    return xr_fail(XR_BAD_SHAPE, "attention: out cannot be shared by the batch (batch stride 0)");
  return XR_OK;
}

static inline xr_status xr_attention_check_backward(const xr_attention *a) {
  XR_TRY(xr_attention_check(a));
  if (a->batch > 1 && (a->k_stride.batch == 0 || a->v_stride.batch == 0))
    return xr_fail(XR_UNSUPPORTED, "attention: gradients of keys or values that the batch shares");
  return XR_OK;
}

/* One set of queries for every sample, so that dq is a sum over the batch. */
static inline bool xr_attention_shares_queries(const xr_attention *a) { return a->batch > 1 && a->q_stride.batch == 0; }

/* The CUDA backward's workspace: up to four numbers for each query and, when queries are shared, every sample's dq. */
static inline int64_t xr_attention_number_floats(const xr_attention *a) {
  return (4 * a->batch * a->heads * a->query_count + 15) / 16 * 16;
}
static inline int64_t xr_attention_partial_floats(const xr_attention *a) {
  return xr_attention_shares_queries(a) ? a->batch * a->heads * a->query_count * a->head_dim : 0;
}
