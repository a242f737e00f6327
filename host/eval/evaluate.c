#include "host/eval/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "host/eval/scores.h"
#include "kernels/retrieval/rank_count.h"
#include "kernels/retrieval/topk.h"

const char *const xr_tie_rule_names[XR_TIE_RULES] = {
    [XR_TIES_LOWER_INDEX] = "lower-index", [XR_TIES_BEST] = "best", [XR_TIES_WORST] = "worst"};

xr_tie_rule xr_tie_rule_find(const char *name) {
  int rule = 0;
  while (rule < XR_TIE_RULES && strcmp(xr_tie_rule_names[rule], name) != 0) rule++;
  return (xr_tie_rule)rule;
}

enum { DEFAULT_MAX_RANK = 50 };
static const size_t default_memory_bytes = (size_t)32 << 20;

typedef struct {
  int64_t id;
  int32_t index;
} id_entry;

/* Everything one evaluation works with besides its result. */
typedef struct {
  const xr_evaluation_input *in;
  xr_evaluation *out;
  xr_arena *arena;
  xr_score_source source;
  id_entry *by_id; /* [G], the gallery sorted by (id, index) */
  int64_t strip_rows;
  float *strip;             /* [strip_rows, G] */
  int64_t *first;           /* [strip_rows + 1]: where each row's positives start */
  int64_t *nan_at;          /* [strip_rows] */
  xr_positive *positives;   /* of the current strip; malloc */
  int32_t *ahead;           /* [positives] and behind them `equal` [positives]; malloc */
  size_t positive_capacity; /* of both */
  int64_t *hits;            /* [cmc_length]: queries whose first positive has this rank - 1 */
  float *top_scores;        /* [strip_rows, top_k] */
} evaluator;

static int compare_entries(const void *a, const void *b) {
  const id_entry *x = a, *y = b;
  if (x->id != y->id) return x->id < y->id ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

static int compare_positives(const void *a, const void *b) {
  const xr_positive *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

static xr_status check(const xr_evaluation_input *in, const xr_evaluation *out) {
  if (in->queries < 1) return xr_fail(XR_BAD_SHAPE, "evaluation: there are no queries");
  if (in->gallery < 1) return xr_fail(XR_BAD_SHAPE, "evaluation: the gallery is empty");
  if (in->gallery > INT32_MAX) return xr_fail(XR_UNSUPPORTED, "evaluation: a gallery of %lld items", (long long)in->gallery);
  const bool features = in->query_features && in->gallery_features;
  if (features == (in->scores != NULL)) return xr_fail(XR_BAD_ARGUMENT, "evaluation: needs features or a matrix of scores, one of them");
  if (features && in->width < 1) return xr_fail(XR_BAD_SHAPE, "evaluation: the features have no elements");
  if (!in->query_ids || !in->gallery_ids) return xr_fail(XR_BAD_ARGUMENT, "evaluation: needs the ids of queries and gallery");
  if (out->protocol->needs_cameras && (!in->query_cameras || !in->gallery_cameras))
    return xr_fail(XR_BAD_INPUT, "evaluation: the protocol %s needs the cameras of queries and gallery", out->protocol->name);
  return XR_OK;
}

static xr_status prepare(evaluator *e, const xr_evaluation_options *options) {
  const xr_evaluation_input *in = e->in;
  xr_evaluation *out = e->out;
  const size_t memory = options->memory_bytes ? options->memory_bytes : default_memory_bytes;
  const int64_t fit = (int64_t)(memory / sizeof(float) / (size_t)in->gallery), blocks_needed = (in->queries - 1) / XR_SCORE_BLOCK + 1;
  int64_t blocks = fit / XR_SCORE_BLOCK < blocks_needed ? fit / XR_SCORE_BLOCK : blocks_needed;
  e->strip_rows = (blocks > 1 ? blocks : 1) * XR_SCORE_BLOCK;

  const int64_t max_rank = options->max_rank > 0 ? options->max_rank : DEFAULT_MAX_RANK;
  out->cmc_length = max_rank < in->gallery ? max_rank : in->gallery;
  out->cmc = XR_NEW_ARRAY(out->arena, double, out->cmc_length);
  out->first_rank = XR_NEW_ARRAY(out->arena, int64_t, in->queries);
  out->ap = XR_NEW_ARRAY(out->arena, double, in->queries);
  if (!out->cmc || !out->first_rank || !out->ap) return XR_NO_MEMORY;
  if (out->top_k) {
    out->top_index = XR_NEW_ARRAY(out->arena, int64_t, in->queries * out->top_k);
    e->top_scores = XR_NEW_ARRAY(e->arena, float, e->strip_rows * out->top_k);
    if (!out->top_index || !e->top_scores) return XR_NO_MEMORY;
  }
  e->hits = XR_NEW_ARRAY(e->arena, int64_t, out->cmc_length);
  e->first = XR_NEW_ARRAY(e->arena, int64_t, e->strip_rows + 1);
  e->nan_at = XR_NEW_ARRAY(e->arena, int64_t, e->strip_rows);
  e->by_id = XR_NEW_ARRAY(e->arena, id_entry, in->gallery);
  e->strip = xr_block_alloc((size_t)(e->strip_rows * in->gallery) * sizeof(float));
  if (!e->hits || !e->first || !e->nan_at || !e->by_id || !e->strip) return XR_NO_MEMORY;
  for (int64_t g = 0; g < in->gallery; g++) e->by_id[g] = (id_entry){in->gallery_ids[g], (int32_t)g};
  qsort(e->by_id, (size_t)in->gallery, sizeof *e->by_id, compare_entries);
  return xr_score_source_open(&e->source, in);
}

/* The first NaN of the strip, in query order, is the one reported. */
static xr_status refuse_nan(const evaluator *e, int64_t first_query, int64_t rows) {
  const int64_t n = e->in->gallery;
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; r++) {
    const float *s = e->strip + r * n;
    int found = 0;
#pragma omp simd reduction(| : found)
    for (int64_t g = 0; g < n; g++) found |= s[g] != s[g];
    e->nan_at[r] = found ? 0 : n;
    while (e->nan_at[r] < n && s[e->nan_at[r]] == s[e->nan_at[r]]) e->nan_at[r]++;
  }
  for (int64_t r = 0; r < rows; r++)
    if (e->nan_at[r] < n)
      return xr_fail(XR_NOT_FINITE, "query %lld, gallery item %lld: %s", (long long)(first_query + r), (long long)e->nan_at[r],
                     e->in->scores ? "the score is not a number (NaN)"
                                   : "the score is not a number (NaN); look for NaN or infinity in the features of the two");
  return XR_OK;
}

/* The entries of the gallery with the id of query `query`: by_id[*begin .. *end). */
static void find_group(const evaluator *e, int64_t query, int64_t *begin, int64_t *end) {
  int64_t bound[2];
  for (int side = 0; side < 2; side++) { /* the first entry with an id >= the query's, then the first with an id above it */
    int64_t low = 0, high = e->in->gallery;
    while (low < high) {
      const int64_t middle = low + (high - low) / 2, id = e->by_id[middle].id, wanted = e->in->query_ids[query];
      if (id < wanted || (side && id == wanted))
        low = middle + 1;
      else
        high = middle;
    }
    bound[side] = low;
  }
  *begin = bound[0];
  *end = bound[1];
}

/* Room for the positives of one strip; the counts are zeroed. */
static xr_status reserve_positives(evaluator *e, size_t count) {
  if (count > e->positive_capacity) {
    free(e->positives);
    free(e->ahead);
    e->positives = malloc(count * sizeof *e->positives);
    e->ahead = malloc(2 * count * sizeof *e->ahead);
    e->positive_capacity = count;
    if (!e->positives || !e->ahead) return xr_fail(XR_NO_MEMORY, "evaluation: out of memory for %zu positives", count);
  }
  if (count) memset(e->ahead, 0, 2 * count * sizeof *e->ahead);
  return XR_OK;
}

static xr_status collect_positives(evaluator *e, int64_t first_query, int64_t rows) {
  const int64_t n = e->in->gallery;
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; r++) {
    const float *s = e->strip + r * n;
    int64_t begin, end, seen = 0;
    find_group(e, first_query + r, &begin, &end);
    for (int64_t i = begin; i < end; i++) seen += s[e->by_id[i].index] == s[e->by_id[i].index];
    e->first[r + 1] = seen;
  }
  e->first[0] = 0;
  for (int64_t r = 0; r < rows; r++) e->first[r + 1] += e->first[r];
  XR_TRY(reserve_positives(e, (size_t)e->first[rows]));
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < rows; r++) {
    const float *s = e->strip + r * n;
    int64_t begin, end;
    find_group(e, first_query + r, &begin, &end);
    xr_positive *list = e->positives + e->first[r], *next = list;
    for (int64_t i = begin; i < end; i++) {
      const int32_t g = e->by_id[i].index;
      if (s[g] == s[g]) *next++ = (xr_positive){s[g], g};
    }
    if (next - list > 1) qsort(list, (size_t)(next - list), sizeof *list, compare_positives);
  }
  return XR_OK;
}

/* Ranks from the counts of one query with n positives, and what follows from them. */
static void finish_query(evaluator *e, int64_t query, const xr_positive *p, const int32_t *ahead, const int32_t *equal, int64_t n) {
  xr_evaluation *out = e->out;
  double sum = 0;
  int64_t counted = 0, run = 0, run_length = 0, rank = 0;
  for (int64_t i = 0; i < n; i++) {
    counted += ahead[i];
    if (i == 0 || p[i].score != p[run].score) { /* a run of positives with one score begins */
      run = i;
      for (run_length = 1; run + run_length < n && p[run + run_length].score == p[run].score;) run_length++;
      if (equal[run] > run_length) out->ties_at_positives += run_length;
    }
    rank = counted + 1;                                           /* lower-index: exactly the items before it were counted */
    if (out->ties == XR_TIES_BEST) rank += i - run;               /* its run's earlier positives were not counted */
    if (out->ties == XR_TIES_WORST) rank += i - run - run_length; /* the whole run was counted */
    sum += (double)(i + 1) / (double)rank;
    if (i == 0) out->first_rank[query] = rank;
  }
  out->ap[query] = sum / (double)n;
  out->mAP += out->ap[query];
  out->mINP += (double)n / (double)rank;
  out->valid++;
  if (out->first_rank[query] <= out->cmc_length) e->hits[out->first_rank[query] - 1]++;
}

static xr_status evaluate_strip(evaluator *e, int64_t first_query, int64_t rows) {
  const int64_t n = e->in->gallery;
  XR_TRY(xr_score_strip(&e->source, first_query, rows, e->strip));
  XR_TRY(refuse_nan(e, first_query, rows));
  if (e->out->protocol->exclude) {
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) e->out->protocol->exclude(e->in, first_query + r, e->strip + r * n);
  }
  XR_TRY(collect_positives(e, first_query, rows));
  int32_t *equal = e->ahead + e->first[rows];
  XR_TRY(xr_rank_count_cpu(&(xr_rank_count){.queries = rows,
                                            .gallery = n,
                                            .stride = n,
                                            .scores = e->strip,
                                            .first = e->first,
                                            .positives = e->positives,
                                            .ties = e->out->ties,
                                            .ahead = e->ahead,
                                            .equal = equal}));
  for (int64_t r = 0; r < rows; r++) {
    const int64_t first = e->first[r], count = e->first[r + 1] - first;
    if (count) finish_query(e, first_query + r, e->positives + first, e->ahead + first, equal + first, count);
  }
  if (!e->out->top_k) return XR_OK;
  const xr_topk top = {.queries = rows,
                       .k = e->out->top_k,
                       .top_scores = e->top_scores,
                       .top_indices = e->out->top_index + first_query * e->out->top_k,
                       .gallery = n,
                       .stride = n,
                       .scores = e->strip};
  XR_TRY(xr_topk_begin_cpu(&top));
  XR_TRY(xr_topk_update_cpu(&top));
  return xr_topk_finish_cpu(&top);
}

static xr_status average(const evaluator *e) {
  xr_evaluation *out = e->out;
  out->unmatched = out->queries - out->valid;
  if (!out->valid)
    return xr_fail(XR_BAD_INPUT, "evaluation: none of the %lld queries has an item of its id among the %lld gallery items it sees",
                   (long long)out->queries, (long long)out->gallery);
  out->mAP /= (double)out->valid;
  out->mINP /= (double)out->valid;
  const int64_t divisor = out->protocol->misses_count ? out->queries : out->valid;
  int64_t hits = 0;
  for (int64_t k = 0; k < out->cmc_length; k++) {
    hits += e->hits[k];
    out->cmc[k] = (double)hits / (double)divisor;
  }
  return XR_OK;
}

static xr_status run(evaluator *e, const xr_evaluation_options *options) {
  XR_TRY(check(e->in, e->out));
  XR_TRY(prepare(e, options));
  for (int64_t q = 0; q < e->in->queries; q += e->strip_rows)
    XR_TRY(evaluate_strip(e, q, e->in->queries - q < e->strip_rows ? e->in->queries - q : e->strip_rows));
  return average(e);
}

xr_status xr_evaluate(const xr_evaluation_input *in, const xr_evaluation_options *options, xr_evaluation *result) {
  *result = (xr_evaluation){.arena = xr_arena_new(),
                            .protocol = options->protocol ? options->protocol : xr_protocol_find("text-to-image"),
                            .ties = options->ties,
                            .queries = in->queries,
                            .gallery = in->gallery,
                            .top_k = options->top_k > 0 ? options->top_k : 0};
  evaluator e = {.in = in, .out = result, .arena = xr_arena_new()};
  xr_status status = result->arena && e.arena ? run(&e, options) : XR_NO_MEMORY;
  xr_score_source_close(&e.source);
  xr_block_free(e.strip);
  free(e.positives);
  free(e.ahead);
  xr_arena_free(e.arena);
  if (status != XR_OK) xr_evaluation_free(result);
  return status;
}

void xr_evaluation_free(xr_evaluation *result) {
  xr_arena_free(result->arena);
  *result = (xr_evaluation){0};
}
