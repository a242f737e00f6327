#include "kernels/embedding/token_embedding.h"

#include "kernels/embedding/position_gradient.h"
#include "kernels/embedding/token_chunks.h"

xr_status xr_token_embedding_check(const xr_token_embedding *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "token_embedding: dtype %s", xr_dtype_name(a->dtype));
  if (a->batch < 0 || a->tokens < 0 || a->vocabulary < 1 || a->width < 1 || (a->tokens > 0 && a->batch > INT32_MAX / a->tokens))
    return xr_fail(XR_BAD_SHAPE, "token_embedding: ids [%lld, %lld] into a table [%lld, %lld]", (long long)a->batch, (long long)a->tokens,
                   (long long)a->vocabulary, (long long)a->width);
  return XR_OK;
}

static xr_status check_ids(const xr_token_embedding *a) {
  for (int64_t i = 0; i < a->batch * a->tokens; i++)
    if (a->ids[i] < 0 || a->ids[i] >= a->vocabulary)
      return xr_fail(XR_BAD_INPUT, "token_embedding: sample %lld, token %lld has the id %d; the table's ids are 0 to %lld",
                     (long long)(i / a->tokens), (long long)(i % a->tokens), a->ids[i], (long long)a->vocabulary - 1);
  return XR_OK;
}

xr_status xr_token_embedding_forward_cpu(const xr_token_embedding *a) {
  XR_TRY(xr_token_embedding_check(a));
  XR_TRY(check_ids(a));
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < a->batch * a->tokens; row++) {
    for (int64_t at = 0; at < a->width; at += XR_SPAN) {
      const int64_t n = xr_span_length(a->width, at);
      float scratch_e[XR_SPAN], scratch_p[XR_SPAN], y[XR_SPAN];
      const float *e = xr_span_read(a->table, a->dtype, a->ids[row] * a->width + at, n, scratch_e);
      const float *p = xr_span_read(a->position, a->dtype, row % a->tokens * a->width + at, n, scratch_p);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) y[i] = e[i] + p[i];
      xr_span_store(a->y, a->dtype, row * a->width + at, n, y, false);
    }
  }
  return XR_OK;
}

/* Tokens in the order of their ids (a counting sort, stable): those with id v are order[start[v]] .. order[start[v + 1] - 1]. */
typedef struct {
  int32_t *start, *order;
} buckets;

static buckets buckets_in(const xr_token_embedding *a) {
  int32_t *start = a->workspace;
  return (buckets){start, start + a->vocabulary + 1};
}

size_t xr_token_embedding_workspace(const xr_token_embedding *a) {
  const size_t here = (size_t)(a->vocabulary + 1 + a->batch * a->tokens) * sizeof(int32_t), device = xr_token_chunk_bytes(a);
  return here > device ? here : device;
}

static buckets sort_tokens(const xr_token_embedding *a) {
  const int64_t count = a->batch * a->tokens;
  buckets s = buckets_in(a);
  memset(s.start, 0, (size_t)(a->vocabulary + 1) * sizeof *s.start);
  for (int64_t i = 0; i < count; i++) s.start[a->ids[i] + 1]++;
  for (int64_t v = 0; v < a->vocabulary; v++) s.start[v + 1] += s.start[v];
  for (int64_t i = 0; i < count; i++) s.order[s.start[a->ids[i]]++] = (int32_t)i; /* start[v] ends where start[v + 1] was */
  for (int64_t v = a->vocabulary; v > 0; v--) s.start[v] = s.start[v - 1];
  s.start[0] = 0;
  return s;
}

static void table_gradient(const xr_token_embedding *a) {
  const buckets s = sort_tokens(a);
#pragma omp parallel for schedule(static, 16)
  for (int64_t v = 0; v < a->vocabulary; v++) {
    if (s.start[v] == s.start[v + 1] && a->accumulate_dtable) continue;
    for (int64_t at = 0; at < a->width; at += XR_SPAN) {
      const int64_t n = xr_span_length(a->width, at);
      float sum[XR_SPAN], scratch[XR_SPAN];
      memset(sum, 0, (size_t)n * sizeof *sum);
      for (int32_t k = s.start[v]; k < s.start[v + 1]; k++) {
        const float *g = xr_span_read(a->dy, a->dtype, s.order[k] * a->width + at, n, scratch);
#pragma omp simd
        for (int64_t i = 0; i < n; i++) sum[i] += g[i];
      }
      xr_span_store(a->dtable, XR_F32, v * a->width + at, n, sum, a->accumulate_dtable);
    }
  }
}

xr_status xr_token_embedding_backward_cpu(const xr_token_embedding *a) {
  XR_TRY(xr_token_embedding_check(a));
  XR_TRY(check_ids(a));
  if (a->dtable) table_gradient(a);
  if (a->dposition) xr_sum_over_batch(a->dposition, a->accumulate_dposition, a->dy, a->dtype, a->batch, a->tokens, 0, a->tokens, a->width);
  return XR_OK;
}
