#include <math.h>

#include "kernels/attention/attention_row.h"
#include "kernels/common/math.h"
#include "kernels/common/spans.h"

xr_status xr_attention_row_check(const xr_attention_row *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "attention_row: dtype %s", xr_dtype_name(a->dtype));
  if (a->batch < 0 || a->tokens < 1 || a->tokens > XR_ATTENTION_ROW_MAX_KEYS || a->heads < 1 || a->head_dim < 1 ||
      a->head_dim > XR_ATTENTION_ROW_MAX_HEAD_DIM)
    return xr_fail(XR_BAD_SHAPE,
                   "attention_row: [%lld, %lld] tokens, %lld heads of %lld; 1 to %d tokens and heads of 1 to %d are supported",
                   (long long)a->batch, (long long)a->tokens, (long long)a->heads, (long long)a->head_dim, XR_ATTENTION_ROW_MAX_KEYS,
                   XR_ATTENTION_ROW_MAX_HEAD_DIM);
  return XR_OK;
}

/* Adds one head's share to row[0 .. keys - 1]. */
static void add_head(const xr_attention_row *a, int64_t b, int64_t h, int64_t query, int64_t keys, float *row) {
  const int64_t width = a->heads * a->head_dim;
  float scratch_q[XR_ATTENTION_ROW_MAX_HEAD_DIM], scratch_k[XR_ATTENTION_ROW_MAX_HEAD_DIM], p[XR_ATTENTION_ROW_MAX_KEYS];
  const float *q = xr_span_read(a->qkv, a->dtype, (b * a->tokens + query) * 3 * width + h * a->head_dim, a->head_dim, scratch_q);
  const float scale = 1.0f / sqrtf((float)a->head_dim);
  float highest = -INFINITY, sum = 0;
  for (int64_t n = 0; n < keys; n++) {
    const float *k = xr_span_read(a->qkv, a->dtype, (b * a->tokens + n) * 3 * width + width + h * a->head_dim, a->head_dim, scratch_k);
    double product = 0;
#pragma omp simd reduction(+ : product)
    for (int64_t d = 0; d < a->head_dim; d++) product += (double)(q[d] * k[d]);
    p[n] = scale * (float)product;
    highest = p[n] > highest ? p[n] : highest;
  }
  for (int64_t n = 0; n < keys; n++) sum += p[n] = xr_exp(p[n] - highest);
  for (int64_t n = 0; n < keys; n++) row[n] += p[n] / sum / (float)a->heads;
}

xr_status xr_attention_row_forward_cpu(const xr_attention_row *a) {
  XR_TRY(xr_attention_row_check(a));
  for (int64_t b = 0; a->index && b < a->batch; b++)
    if (a->index[b] < 0 || a->index[b] >= a->tokens)
      return xr_fail(XR_BAD_INPUT, "attention_row: sample %lld has index %d; legal are 0 to %lld", (long long)b, a->index[b],
                     (long long)a->tokens - 1);
#pragma omp parallel for schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    float *row = a->row + b * a->tokens;
    for (int64_t n = 0; n < a->tokens; n++) row[n] = 0;
    const int64_t query = a->index ? a->index[b] : 0, keys = a->index ? query + 1 : a->tokens;
    for (int64_t h = 0; h < a->heads; h++) add_head(a, b, h, query, keys, row);
  }
  return XR_OK;
}
