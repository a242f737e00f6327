#include "host/eval/search.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "kernels/linear/gemm.h"
#include "kernels/retrieval/topk.h"

/* A tile of scores: 256 queries at a time against 4,096 rows. */
enum { QUERIES = 256, ROWS = 4096 };

typedef struct {
  const xr_search *search;
  int64_t width, set_size;
  float *queries; /* [Q, D], normalised where the rule asks for it */
  float *rows;    /* [ROWS, D] */
  float *bias;    /* [ROWS] */
  float *scores;  /* [QUERIES, ROWS] */
} workspace;

static void normalise(float *row, int64_t width) {
  double squares = 0;
  for (int64_t k = 0; k < width; k++) squares += (double)row[k] * (double)row[k];
  const float length = fmaxf((float)sqrt(squares), 1e-12f);
  for (int64_t k = 0; k < width; k++) row[k] /= length;
}

static xr_status open_workspace(workspace *w, const xr_search *s, const xr_index_form *form) {
  const int64_t d = form->width;
  *w = (workspace){.search = s, .width = d, .set_size = form->set_size};
  w->queries = xr_block_alloc((size_t)(s->queries * d) * sizeof(float));
  w->rows = xr_block_alloc((size_t)(ROWS * d) * sizeof(float));
  w->bias = xr_block_alloc(ROWS * sizeof(float));
  w->scores = xr_block_alloc((size_t)QUERIES * ROWS * sizeof(float));
  if (!w->queries || !w->rows || !w->bias || !w->scores) return XR_NO_MEMORY;
  memcpy(w->queries, s->features, (size_t)(s->queries * d) * sizeof(float));
  if (s->rule.metric == XR_COSINE)
    for (int64_t q = 0; q < s->queries; q++) normalise(w->queries + q * d, d);
  return XR_OK;
}

static void close_workspace(workspace *w) {
  xr_block_free(w->queries);
  xr_block_free(w->rows);
  xr_block_free(w->bias);
  xr_block_free(w->scores);
}

/* Rows first .. first + n - 1 of a shard as f32, normalised where the rule asks for it. */
static void load_rows(workspace *w, const xr_index_shard *shard, xr_dtype storage, int64_t first, int64_t n) {
  const int64_t d = w->width;
  const xr_metric metric = w->search->rule.metric;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n; i++) {
    float *row = w->rows + i * d;
    if (storage == XR_BF16)
      for (int64_t k = 0; k < d; k++) row[k] = xr_bf16_to_f32(((const xr_bf16 *)shard->features)[(first + i) * d + k]);
    else
      memcpy(row, (const float *)shard->features + (first + i) * d, (size_t)d * sizeof *row);
    if (metric == XR_COSINE) normalise(row, d);
    if (metric != XR_EUCLIDEAN) continue;
    double squares = 0;
    for (int64_t k = 0; k < d; k++) squares += (double)row[k] * (double)row[k];
    w->bias[i] = (float)(-0.5 * squares);
  }
}

/* Scores of m queries from query `first` on with the n loaded rows. */
static xr_status score_tile(const workspace *w, int64_t first, int64_t m, int64_t n) {
  return xr_gemm_cpu(&(xr_gemm){.m = m,
                                .n = n,
                                .k = w->width,
                                .transpose_b = true,
                                .dtype = XR_F32,
                                .c_dtype = XR_F32,
                                .a = w->queries + first * w->width,
                                .lda = w->width,
                                .b = w->rows,
                                .ldb = w->width,
                                .c = w->scores,
                                .ldc = ROWS,
                                .bias = w->search->rule.metric == XR_EUCLIDEAN ? w->bias : NULL});
}

static xr_status search_shard(workspace *w, const xr_index_shard *shard, xr_dtype storage, xr_topk *best) {
  const xr_search *s = w->search;
  for (int64_t first = 0; first < shard->rows; first += ROWS) {
    const int64_t n = shard->rows - first < ROWS ? shard->rows - first : ROWS;
    load_rows(w, shard, storage, first, n);
    for (int64_t q = 0; q < s->queries; q += QUERIES) {
      const int64_t m = s->queries - q < QUERIES ? s->queries - q : QUERIES;
      XR_TRY(score_tile(w, q, m, n));
      XR_TRY(xr_topk_update_cpu(&(xr_topk){.queries = m,
                                           .k = best->k,
                                           .top_scores = best->top_scores + q * best->k,
                                           .top_indices = best->top_indices + q * best->k,
                                           .gallery = n,
                                           .gallery_offset = shard->first + first,
                                           .stride = ROWS,
                                           .scores = w->scores}));
    }
  }
  return XR_OK;
}

static xr_status search_shards(xr_index *index, workspace *w, xr_topk *best) {
  const int64_t shards = xr_index_shards(index);
  const xr_dtype storage = xr_index_form_of(index)->storage;
  XR_TRY(xr_topk_begin_cpu(best));
  for (int64_t i = 0; i < shards; i++) {
    xr_index_shard shard;
    xr_index_read_ahead(index, i + 1); /* the disk works while this shard is scored */
    XR_TRY(xr_index_shard_at(index, i, &shard));
    XR_TRY(search_shard(w, &shard, storage, best));
    xr_index_forget(index, i);
  }
  return xr_topk_finish_cpu(best);
}

static xr_status check_finite(const float *values, int64_t queries, int64_t width) {
  for (int64_t i = 0; values && i < queries * width; i++)
    if (!isfinite(values[i]))
      return xr_fail(XR_NOT_FINITE, "query %" PRId64 ": number %" PRId64 " of its features is %f", i / width, i % width, values[i]);
  return XR_OK;
}

static xr_status check(const xr_index *index, const xr_search *s) {
  const xr_index_form *form = xr_index_form_of(index);
  if (s->queries < 1 || s->top_k < 1 || !s->features) return xr_fail(XR_BAD_SHAPE, "a search needs a query and at least one place");
  if (!xr_index_rows(index)) return xr_fail(XR_BAD_SHAPE, "%s holds no features: there is nothing to search", xr_index_folder(index));
  if (xr_needs_sets(&s->rule) && (!s->sets || !form->set_size))
    return xr_fail(XR_BAD_INPUT, "%s: the score needs embedding sets, which %s", xr_index_folder(index),
                   form->set_size ? "the query lacks" : "the index lacks");
  XR_TRY(check_finite(s->features, s->queries, form->width));
  return check_finite(s->sets, s->queries, form->width * form->set_size);
}

xr_status xr_search_index(xr_index *index, const xr_search *s, int64_t *rows, float *scores) {
  workspace w;
  XR_TRY(check(index, s));
  xr_topk best = {.queries = s->queries, .k = s->top_k, .top_scores = scores, .top_indices = rows};
  xr_status status = open_workspace(&w, s, xr_index_form_of(index));
  if (status == XR_OK) status = search_shards(index, &w, &best);
  close_workspace(&w);
  return status;
}
