#include "host/eval/trial.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/retrieval/identity_rank.h"
#include "kernels/retrieval/topk.h"

enum { DEFAULT_MAX_RANK = 50 };

static bool has(const uint64_t *mask, int64_t i) { return !mask || (mask[i / 64] >> (i % 64) & 1); }

static int64_t number_of(const uint64_t *mask, int64_t n) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; i++) count += has(mask, i);
  return count;
}

static xr_status no_memory(void) { return xr_fail(XR_NO_MEMORY, "evaluation: out of memory for a trial"); }

static xr_status choose_items(xr_trial_state *t, const uint64_t *mask) {
  const int64_t n = t->context->in->gallery;
  t->chosen_count = number_of(mask, n);
  if (!t->chosen_count) return xr_fail(XR_BAD_INPUT, "evaluation: the trial has no gallery items");
  if (t->chosen_count == n) return XR_OK;
  t->plain_chosen = malloc((size_t)t->chosen_count * sizeof *t->plain_chosen);
  if (!t->plain_chosen) return no_memory();
  int64_t next = 0;
  for (int64_t g = 0; g < n; g++)
    if (has(mask, g)) t->plain_chosen[next++] = (int32_t)g;
  return xr_mirror_open(&t->chosen, t->context->backend, t->plain_chosen, (size_t)t->chosen_count * sizeof *t->plain_chosen);
}

/* How many different ids the trial's items have. */
static xr_status count_identities(xr_trial_state *t) {
  const xr_identities *who = t->context->who;
  t->identities = who->count;
  if (!t->plain_chosen) return XR_OK;
  bool *seen = calloc((size_t)who->count, sizeof *seen);
  if (!seen) return no_memory();
  t->identities = 0;
  for (int64_t i = 0; i < t->chosen_count; i++) {
    bool *one = &seen[who->of_item[t->plain_chosen[i]]];
    t->identities += !*one;
    *one = true;
  }
  free(seen);
  return XR_OK;
}

static xr_status make_measures(xr_trial_state *t) {
  const xr_trial_context *c = t->context;
  xr_evaluation *out = t->out;
  const int64_t max_rank = c->options->max_rank > 0 ? c->options->max_rank : DEFAULT_MAX_RANK;
  XR_TRY(count_identities(t));
  out->cmc_length = max_rank < out->gallery ? max_rank : out->gallery;
  out->cmc = XR_NEW_ARRAY(out->arena, double, out->cmc_length);
  out->first_rank = XR_NEW_ARRAY(out->arena, int64_t, out->all_queries);
  out->ap = XR_NEW_ARRAY(out->arena, double, out->all_queries);
  if (!out->cmc || !out->first_rank || !out->ap) return XR_NO_MEMORY;
  if (!c->protocol->id_cmc) return XR_OK;
  out->id_cmc_length = max_rank < t->identities ? max_rank : t->identities;
  out->id_cmc = XR_NEW_ARRAY(out->arena, double, out->id_cmc_length);
  return out->id_cmc ? XR_OK : XR_NO_MEMORY;
}

static xr_topk topk_of(const xr_trial_state *t, int64_t first, int64_t count) {
  const int64_t k = t->out->top_k;
  return (xr_topk){.queries = count,
                   .k = k,
                   .top_scores = (float *)t->top_score.there + first * k,
                   .top_indices = (int64_t *)t->top_index.there + first * k};
}

static xr_status make_best_items(xr_trial_state *t) {
  xr_evaluation *out = t->out;
  const xr_backend backend = t->context->backend;
  const int64_t count = out->all_queries * out->top_k;
  out->top_index = XR_NEW_ARRAY(out->arena, int64_t, count);
  out->top_score = XR_NEW_ARRAY(out->arena, float, count);
  if (!out->top_index || !out->top_score) return XR_NO_MEMORY;
  XR_TRY(xr_mirror_open(&t->top_index, backend, out->top_index, (size_t)count * sizeof *out->top_index));
  XR_TRY(xr_mirror_open(&t->top_score, backend, out->top_score, (size_t)count * sizeof *out->top_score));
  const xr_topk k = topk_of(t, 0, out->all_queries);
  return XR_ON_BACKEND(backend, t->context->stream, xr_topk_begin, &k);
}

xr_status xr_trial_open(xr_trial_state *t, const xr_trial_context *c, const xr_trial *trial, xr_evaluation *out) {
  *t = (xr_trial_state){.context = c, .part = *trial, .out = out};
  *out = (xr_evaluation){.arena = xr_arena_new(),
                         .protocol = c->protocol,
                         .ties = c->options->ties,
                         .ap_kind = c->options->ap,
                         .all_queries = c->in->queries,
                         .queries = number_of(trial->queries, c->in->queries),
                         .top_k = c->options->top_k > 0 ? c->options->top_k : 0};
  if (!out->arena) return XR_NO_MEMORY;
  if (!out->queries) return xr_fail(XR_BAD_INPUT, "evaluation: the trial has no queries");
  XR_TRY(choose_items(t, trial->gallery));
  out->gallery = t->chosen_count;
  if (c->who) XR_TRY(make_measures(t));
  return out->top_k ? make_best_items(t) : XR_OK;
}

/* The positives of a trial that has not everything: those of its queries among its items, in the same order. */
static xr_status filter_positives(xr_trial_state *t, const xr_positives *all) {
  const int64_t queries = t->context->in->queries;
  for (int fill = 0; fill < 2; fill++) {
    int64_t total = 0;
    for (int64_t q = 0; q < queries; q++) {
      if (fill) t->plain_first[q] = total;
      for (int64_t i = all->first[q]; has(t->part.queries, q) && i < all->first[q + 1]; i++) {
        if (!has(t->part.gallery, all->list[i].index)) continue;
        if (fill) t->plain_positives[total] = all->list[i];
        total++;
      }
    }
    if (fill) {
      t->plain_first[queries] = total;
      return XR_OK;
    }
    t->plain_first = malloc((size_t)(queries + 1) * sizeof *t->plain_first);
    t->plain_positives = malloc((size_t)(total ? total : 1) * sizeof *t->plain_positives);
    if (!t->plain_first || !t->plain_positives) return no_memory();
  }
  return XR_OK;
}

/* Where each query's best positive stands, and a bit for each identity that may stand ahead of it. */
static xr_status make_identity_marks(xr_trial_state *t) {
  const xr_trial_context *c = t->context;
  const int64_t queries = c->in->queries, words = xr_identity_words(c->who->count);
  xr_positive *best = XR_NEW_ARRAY(t->out->arena, xr_positive, queries);
  uint32_t *bits = XR_NEW_ARRAY(t->out->arena, uint32_t, queries * words);
  if (!best || !bits) return XR_NO_MEMORY;
  for (int64_t q = 0; q < queries; q++)
    best[q] = t->plain_first[q] < t->plain_first[q + 1] ? t->plain_positives[t->plain_first[q]] : (xr_positive){.index = -1};
  XR_TRY(xr_mirror_open(&t->best, c->backend, best, (size_t)queries * sizeof *best));
  return xr_mirror_open(&t->bits, c->backend, bits, (size_t)(queries * words) * sizeof *bits);
}

xr_status xr_trial_take_positives(xr_trial_state *t, const xr_positives *all) {
  const xr_trial_context *c = t->context;
  const int64_t queries = c->in->queries;
  t->borrowed = !t->plain_chosen && !t->part.queries;
  if (t->borrowed) {
    t->plain_first = all->first;
    t->plain_positives = all->list;
  } else {
    XR_TRY(filter_positives(t, all));
  }
  const size_t total = (size_t)t->plain_first[queries];
  int32_t *counts = XR_NEW_ARRAY(t->out->arena, int32_t, 2 * total);
  if (!counts) return XR_NO_MEMORY;
  XR_TRY(xr_mirror_open(&t->first, c->backend, t->plain_first, (size_t)(queries + 1) * sizeof *t->plain_first));
  XR_TRY(xr_mirror_open(&t->positives, c->backend, t->plain_positives, total * sizeof *t->plain_positives));
  XR_TRY(xr_mirror_open(&t->counts, c->backend, counts, 2 * total * sizeof *counts));
  return c->protocol->id_cmc ? make_identity_marks(t) : XR_OK;
}

/* The first of the chosen items that is not below `bound`. */
static int64_t lower_bound(const int32_t *chosen, int64_t count, int64_t bound) {
  int64_t low = 0, high = count;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (chosen[middle] < bound)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* A tile as the kernels see it. */
typedef struct {
  const xr_score_source *source;
  int64_t first_query, queries, first_item, items;
  const int32_t *chosen;
  int64_t chosen_count;
} view;

static xr_status count_ranks(const xr_trial_state *t, const view *v) {
  const xr_score_source *s = v->source;
  const int64_t total = t->plain_first[t->context->in->queries];
  const xr_rank_count k = {.queries = v->queries,
                           .gallery = v->items,
                           .gallery_offset = v->first_item,
                           .stride = v->items,
                           .chosen = v->chosen,
                           .chosen_count = v->chosen_count,
                           .scores = s->tile,
                           .first = (const int64_t *)t->first.there + v->first_query,
                           .positives = t->positives.there,
                           .ties = t->out->ties,
                           .ahead = t->counts.there,
                           .equal = (int32_t *)t->counts.there + total};
  return XR_ON_BACKEND(s->backend, s->stream, xr_rank_count, &k);
}

static xr_status mark_identities(const xr_trial_state *t, const view *v) {
  const xr_score_source *s = v->source;
  const xr_trial_context *c = t->context;
  const xr_identity_rank k = {.queries = v->queries,
                              .gallery = v->items,
                              .gallery_offset = v->first_item,
                              .stride = v->items,
                              .chosen = v->chosen,
                              .chosen_count = v->chosen_count,
                              .scores = s->tile,
                              .identities = c->who->count,
                              .item_identity = c->of_item.there,
                              .own_identity = (const int32_t *)c->of_query.there + v->first_query,
                              .best = (const xr_positive *)t->best.there + v->first_query,
                              .ties = t->out->ties,
                              .bits = (uint32_t *)t->bits.there + v->first_query * xr_identity_words(c->who->count)};
  return XR_ON_BACKEND(s->backend, s->stream, xr_identity_rank, &k);
}

static xr_status keep_best(const xr_trial_state *t, const view *v) {
  const xr_score_source *s = v->source;
  xr_topk k = topk_of(t, v->first_query, v->queries);
  k.gallery = k.stride = v->items;
  k.gallery_offset = v->first_item;
  k.chosen = v->chosen;
  k.chosen_count = v->chosen_count;
  k.scores = s->tile;
  return XR_ON_BACKEND(s->backend, s->stream, xr_topk_update, &k);
}

xr_status xr_trial_look(xr_trial_state *t, const xr_score_source *s, int64_t first, int64_t count) {
  view v = {.source = s, .first_query = first, .queries = count, .first_item = s->first[XR_ITEMS], .items = s->count[XR_ITEMS]};
  if (t->plain_chosen) {
    const int64_t begin = lower_bound(t->plain_chosen, t->chosen_count, v.first_item);
    v.chosen_count = lower_bound(t->plain_chosen, t->chosen_count, v.first_item + v.items) - begin;
    if (!v.chosen_count) return XR_OK;
    v.chosen = (const int32_t *)t->chosen.there + begin;
  }
  if (t->first.there) XR_TRY(count_ranks(t, &v));
  if (t->bits.there) XR_TRY(mark_identities(t, &v));
  return t->out->top_k ? keep_best(t, &v) : XR_OK;
}

static xr_status finish_best_items(xr_trial_state *t) {
  xr_evaluation *out = t->out;
  const xr_topk k = topk_of(t, 0, out->all_queries);
  XR_TRY(XR_ON_BACKEND(t->context->backend, t->context->stream, xr_topk_finish, &k));
  XR_TRY(xr_mirror_read(&t->top_index));
  XR_TRY(xr_mirror_read(&t->top_score));
  for (int64_t q = 0; t->part.queries && q < out->all_queries; q++)
    for (int64_t i = 0; !has(t->part.queries, q) && i < out->top_k; i++) {
      out->top_index[q * out->top_k + i] = -1;
      out->top_score[q * out->top_k + i] = -INFINITY;
    }
  return XR_OK;
}

xr_status xr_trial_finish(xr_trial_state *t) {
  if (t->out->top_k) XR_TRY(finish_best_items(t));
  if (!t->context->who) return XR_OK;
  XR_TRY(xr_mirror_read(&t->counts));
  XR_TRY(xr_mirror_read(&t->bits));
  const int32_t *ahead = t->counts.plain;
  return xr_measure(t->out, t->plain_first, t->plain_positives, ahead, ahead + t->plain_first[t->context->in->queries], t->bits.plain,
                    t->context->who->count);
}

void xr_trial_close(xr_trial_state *t) {
  xr_mirror *all[] = {&t->chosen, &t->first, &t->positives, &t->counts, &t->best, &t->bits, &t->top_index, &t->top_score};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) xr_mirror_close(all[i]);
  free(t->plain_chosen);
  if (!t->borrowed) {
    free(t->plain_first);
    free(t->plain_positives);
  }
  *t = (xr_trial_state){0};
}
