#include "host/eval/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "host/eval/trial.h"
#include "kernels/retrieval/hide.h"

const char *const xr_tie_rule_names[XR_TIE_RULES] = {
    [XR_TIES_LOWER_INDEX] = "lower-index", [XR_TIES_BEST] = "best", [XR_TIES_WORST] = "worst"};

const char *const xr_ap_kind_names[XR_AP_KINDS] = {[XR_AP_STEP] = "step", [XR_AP_TRAPEZOID] = "trapezoid"};

xr_tie_rule xr_tie_rule_find(const char *name) {
  int rule = 0;
  while (rule < XR_TIE_RULES && strcmp(xr_tie_rule_names[rule], name) != 0) rule++;
  return (xr_tie_rule)rule;
}

xr_ap_kind xr_ap_kind_find(const char *name) {
  int kind = 0;
  while (kind < XR_AP_KINDS && strcmp(xr_ap_kind_names[kind], name) != 0) kind++;
  return (xr_ap_kind)kind;
}

/* Everything one evaluation works with besides its results. */
typedef struct {
  xr_trial_context context;
  xr_arena *arena;
  xr_identities who;
  xr_score_source source;
  xr_positives positives;
  xr_trial_state *trials; /* [trial_count] */
  size_t trial_count;     /* of those that were opened */
  xr_mirror item_code, hidden_code, nan_at;
  int32_t *first_nan; /* [Q]: the first gallery item with a NaN score, -1 without one */
} evaluator;

static xr_status check(const xr_evaluation_input *in, const xr_evaluation_options *options, const xr_protocol *protocol, bool measures) {
  if (in->queries < 1) return xr_fail(XR_BAD_SHAPE, "evaluation: there are no queries");
  if (in->gallery < 1) return xr_fail(XR_BAD_SHAPE, "evaluation: the gallery is empty");
  if (in->gallery > INT32_MAX || in->queries > INT32_MAX)
    return xr_fail(XR_UNSUPPORTED, "evaluation: %lld queries and a gallery of %lld items", (long long)in->queries, (long long)in->gallery);
  const bool rows = xr_has_rows(&in->query_features) || xr_has_rows(&in->query_sets);
  if (rows == (in->scores.data != NULL))
    return xr_fail(XR_BAD_ARGUMENT, "evaluation: needs features or sets, or a matrix of scores, one of them");
  if (!measures) return options->top_k > 0 ? XR_OK : xr_fail(XR_BAD_ARGUMENT, "evaluation: how many items are wanted?");
  if (!in->query_ids || !in->gallery_ids) return xr_fail(XR_BAD_ARGUMENT, "evaluation: needs the ids of queries and gallery");
  if (protocol->needs_cameras && (!in->query_cameras || !in->gallery_cameras))
    return xr_fail(XR_BAD_INPUT, "evaluation: the protocol %s needs the cameras of queries and gallery", protocol->name);
  return XR_OK;
}

/* What the kernels need of who is who. */
static xr_status mirror_identities(evaluator *e) {
  xr_trial_context *c = &e->context;
  const size_t items = (size_t)c->in->gallery * sizeof(int32_t), queries = (size_t)c->in->queries * sizeof(int32_t);
  XR_TRY(xr_mirror_open(&e->item_code, c->backend, e->who.item_code, items));
  XR_TRY(xr_mirror_open(&e->hidden_code, c->backend, e->who.hidden_code, queries));
  if (!c->protocol->id_cmc) return XR_OK;
  XR_TRY(xr_mirror_open(&c->of_item, c->backend, e->who.of_item, items));
  return xr_mirror_open(&c->of_query, c->backend, e->who.of_query, queries);
}

static xr_status open_trials(evaluator *e, const xr_trial *trials, size_t count, xr_evaluation *results) {
  e->trials = calloc(count, sizeof *e->trials);
  if (!e->trials) return xr_fail(XR_NO_MEMORY, "evaluation: out of memory for %zu trials", count);
  for (size_t t = 0; t < count; t++) {
    e->trial_count++;
    const xr_status status = xr_trial_open(&e->trials[t], &e->context, &trials[t], &results[t]);
    if (status != XR_OK) return count > 1 ? xr_fail_in(status, "trial %zu", t) : status;
  }
  return XR_OK;
}

static xr_status prepare(evaluator *e, const xr_trial *trials, size_t count, xr_evaluation *results) {
  xr_trial_context *c = &e->context;
  const int64_t queries = c->in->queries;
  if (c->who) XR_TRY(xr_identities_find(&e->who, e->arena, c->in, c->protocol));
  XR_TRY(mirror_identities(e));
  XR_TRY(xr_score_source_open(&e->source, c->in, c->options->memory_bytes, c->backend));
  c->stream = e->source.stream;
  XR_TRY(open_trials(e, trials, count, results));
  int32_t *nan_at = XR_NEW_ARRAY(e->arena, int32_t, queries);
  e->first_nan = XR_NEW_ARRAY(e->arena, int32_t, queries);
  if (!nan_at || !e->first_nan) return XR_NO_MEMORY;
  for (int64_t q = 0; q < queries; q++) e->first_nan[q] = -1;
  return xr_mirror_open(&e->nan_at, c->backend, nan_at, (size_t)queries * sizeof *nan_at);
}

/* Notes NaN scores and marks what is hidden from each query. */
static xr_status hide(const evaluator *e, int64_t first, int64_t count) {
  const xr_score_source *s = &e->source;
  const xr_hide k = {.queries = count,
                     .gallery = s->count[XR_ITEMS],
                     .stride = s->count[XR_ITEMS],
                     .scores = s->tile,
                     .item_code = e->item_code.there ? (const int32_t *)e->item_code.there + s->first[XR_ITEMS] : NULL,
                     .hidden_code = e->hidden_code.there ? (const int32_t *)e->hidden_code.there + first : NULL,
                     .nan_at = (int32_t *)e->nan_at.there + first};
  return XR_ON_BACKEND(s->backend, s->stream, xr_hide, &k);
}

static xr_status look_at_loaded(evaluator *e) {
  xr_score_source *s = &e->source;
  const int64_t end = s->first[XR_QUERIES] + s->count[XR_QUERIES];
  for (int64_t q = s->first[XR_QUERIES]; q < end; q += s->tile_rows) {
    const int64_t count = end - q < s->tile_rows ? end - q : s->tile_rows;
    XR_TRY(xr_score_source_tile(s, q, count));
    XR_TRY(hide(e, q, count));
    for (size_t t = 0; t < e->trial_count; t++) XR_TRY(xr_trial_look(&e->trials[t], s, q, count));
  }
  return XR_OK;
}

static xr_status keep_first_nan(evaluator *e) {
  XR_TRY(xr_mirror_read(&e->nan_at));
  const int32_t *at = e->nan_at.plain;
  for (int64_t q = 0; q < e->context.in->queries; q++)
    if (at[q] >= 0 && e->first_nan[q] < 0) e->first_nan[q] = (int32_t)e->source.first[XR_ITEMS] + at[q];
  return XR_OK;
}

static xr_status look_at_all(evaluator *e) {
  xr_score_source *s = &e->source;
  const int64_t queries = s->in->queries, gallery = s->in->gallery;
  for (int64_t g = 0; g < gallery; g += s->block) {
    XR_TRY(xr_score_source_load(s, XR_ITEMS, g, gallery - g < s->block ? gallery - g : s->block, true));
    for (int64_t q = 0; q < queries; q += s->chunk) {
      XR_TRY(xr_score_source_load(s, XR_QUERIES, q, queries - q < s->chunk ? queries - q : s->chunk, true));
      XR_TRY(look_at_loaded(e));
    }
    XR_TRY(keep_first_nan(e));
  }
  for (int64_t q = 0; q < queries; q++)
    if (e->first_nan[q] >= 0)
      return xr_fail(XR_NOT_FINITE, "query %lld, gallery item %d: %s", (long long)q, e->first_nan[q],
                     s->in->scores.data ? "the score is not a number (NaN)"
                                        : "the score is not a number (NaN); look for NaN or infinity in the features of the two");
  return XR_OK;
}

static xr_status run(evaluator *e, const xr_trial *trials, size_t count, xr_evaluation *results) {
  XR_TRY(check(e->context.in, e->context.options, e->context.protocol, e->context.who != NULL));
  XR_TRY(prepare(e, trials, count, results));
  if (e->context.who) XR_TRY(xr_positives_find(&e->positives, &e->who, &e->source));
  for (size_t t = 0; e->context.who && t < count; t++) XR_TRY(xr_trial_take_positives(&e->trials[t], &e->positives));
  XR_TRY(look_at_all(e));
  for (size_t t = 0; t < count; t++) {
    const xr_status status = xr_trial_finish(&e->trials[t]);
    if (status != XR_OK) return count > 1 ? xr_fail_in(status, "trial %zu", t) : status;
  }
  return XR_OK;
}

static xr_status evaluate(const xr_evaluation_input *in, const xr_evaluation_options *options, bool measures, const xr_trial *trials,
                          size_t count, xr_evaluation *results) {
  memset(results, 0, count * sizeof *results);
  evaluator e = {.arena = xr_arena_new()};
  e.context = (xr_trial_context){.in = in,
                                 .options = options,
                                 .protocol = options->protocol && measures ? options->protocol : xr_protocol_find("text-to-image"),
                                 .who = measures ? &e.who : NULL,
                                 .backend = options->backend};
  const xr_status status = e.arena ? run(&e, trials, count, results) : XR_NO_MEMORY;
  xr_score_source_close(&e.source);
  for (size_t t = 0; t < e.trial_count; t++) xr_trial_close(&e.trials[t]);
  free(e.trials);
  xr_mirror *mirrors[] = {&e.item_code, &e.hidden_code, &e.nan_at, &e.context.of_item, &e.context.of_query};
  for (size_t i = 0; i < sizeof mirrors / sizeof *mirrors; i++) xr_mirror_close(mirrors[i]);
  xr_positives_free(&e.positives);
  xr_arena_free(e.arena);
  for (size_t t = 0; status != XR_OK && t < count; t++) xr_evaluation_free(&results[t]);
  return status;
}

xr_status xr_evaluate(const xr_evaluation_input *in, const xr_evaluation_options *options, xr_evaluation *result) {
  return evaluate(in, options, true, &(xr_trial){0}, 1, result);
}

xr_status xr_evaluate_trials(const xr_evaluation_input *in, const xr_evaluation_options *options, const xr_trial *trials, size_t count,
                             xr_evaluation *results) {
  return evaluate(in, options, true, trials, count, results);
}

xr_status xr_find_best(const xr_evaluation_input *in, const xr_evaluation_options *options, xr_evaluation *result) {
  return evaluate(in, options, false, &(xr_trial){0}, 1, result);
}

void xr_evaluation_free(xr_evaluation *result) {
  xr_arena_free(result->arena);
  *result = (xr_evaluation){0};
}
