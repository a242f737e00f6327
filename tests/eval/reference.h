/* The slow way: every query's gallery is sorted with qsort, then read from front to back. Only for tests. */
#pragma once

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/random.h"
#include "host/eval/evaluate.h"

typedef struct {
  double score;
  int64_t index;
  int class; /* among equal scores: lower first */
} ref_item;

static inline int ref_compare(const void *a, const void *b) {
  const ref_item *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  if (x->class != y->class) return x->class - y->class;
  return x->index < y->index ? -1 : 1;
}

typedef struct {
  const char *protocol;
  xr_tie_rule ties;
  xr_ap_kind ap;
  int64_t max_rank;
  xr_trial trial;
} ref_question;

typedef struct {
  int64_t queries, gallery, valid, ties, cmc_length, id_cmc_length;
  double cmc[64], id_cmc[64], mAP, mINP;
} ref_result;

static inline bool ref_has(const uint64_t *mask, int64_t i) { return !mask || (mask[i / 64] & (uint64_t)1 << i % 64); }

static inline bool ref_sees(const xr_evaluation_input *in, const char *protocol, int64_t q, int64_t g) {
  if (strcmp(protocol, "sysu-mm01") == 0) return in->query_cameras[q] != 3 || in->gallery_cameras[g] != 2;
  if (strcmp(protocol, "market") == 0 || strcmp(protocol, "llcm") == 0)
    return in->query_ids[q] != in->gallery_ids[g] || in->query_cameras[q] != in->gallery_cameras[g];
  return true;
}

/* Its place in the list of distinct ids, each at its first item. */
static inline int64_t ref_id_rank(const xr_evaluation_input *in, const ref_item *items, int64_t first) {
  int64_t place = 1;
  for (int64_t i = 0; i < first - 1; i++) {
    bool seen = false;
    for (int64_t j = 0; j < i; j++) seen |= in->gallery_ids[items[i].index] == in->gallery_ids[items[j].index];
    place += !seen;
  }
  return place;
}

static inline int64_t ref_distinct(const xr_evaluation_input *in, const uint64_t *mask) {
  int64_t count = 0;
  for (int64_t g = 0; g < in->gallery; g++) {
    bool seen = !ref_has(mask, g);
    for (int64_t h = 0; h < g; h++) seen |= ref_has(mask, h) && in->gallery_ids[g] == in->gallery_ids[h];
    count += !seen;
  }
  return count;
}

/* `scores` [Q, G], higher is better. first_rank [Q], order [Q, G] of the items that are seen, -1 behind them; either may be NULL. */
static inline ref_result ref_evaluate(const xr_evaluation_input *in, const double *scores, const ref_question *ask, int64_t *first_rank,
                                      int64_t *order) {
  ref_result r = {0};
  ref_item *items = malloc((size_t)in->gallery * sizeof *items);
  for (int64_t g = 0; g < in->gallery; g++) r.gallery += ref_has(ask->trial.gallery, g);
  const int64_t distinct = ref_distinct(in, ask->trial.gallery);
  r.cmc_length = ask->max_rank < r.gallery ? ask->max_rank : r.gallery;
  r.id_cmc_length = ask->max_rank < distinct ? ask->max_rank : distinct;
  for (int64_t q = 0; q < in->queries; q++) {
    int64_t kept = 0, positives = 0, last = 0, first = 0;
    for (int64_t g = 0; ref_has(ask->trial.queries, q) && g < in->gallery; g++) {
      if (!ref_has(ask->trial.gallery, g) || !ref_sees(in, ask->protocol, q, g)) continue;
      bool same = in->gallery_ids[g] == in->query_ids[q];
      int class = ask->ties == XR_TIES_BEST ? !same : ask->ties == XR_TIES_WORST ? same : 0;
      items[kept++] = (ref_item){scores[q * in->gallery + g], g, class};
    }
    qsort(items, (size_t)kept, sizeof *items, ref_compare);
    double ap = 0;
    for (int64_t i = 0; i < kept; i++) {
      if (order) order[q * in->gallery + i] = items[i].index;
      if (in->gallery_ids[items[i].index] != in->query_ids[q]) continue;
      positives++;
      if (!first) first = i + 1;
      last = i + 1;
      const double here = (double)positives / (double)last;
      if (ask->ap == XR_AP_STEP)
        ap += here;
      else
        ap += (here + (last == 1 ? 1 : (double)(positives - 1) / (double)(last - 1))) / 2;
      bool tied = false;
      for (int64_t j = 0; j < kept; j++) tied |= items[j].score == items[i].score && in->gallery_ids[items[j].index] != in->query_ids[q];
      r.ties += tied;
    }
    if (order)
      for (int64_t i = kept; i < in->gallery; i++) order[q * in->gallery + i] = -1;
    if (first_rank) first_rank[q] = first;
    r.queries += ref_has(ask->trial.queries, q);
    if (!positives) continue;
    r.valid++;
    r.mAP += ap / (double)positives;
    r.mINP += (double)positives / (double)last;
    for (int64_t k = first; k <= r.cmc_length; k++) r.cmc[k - 1] += 1;
    for (int64_t k = ref_id_rank(in, items, first); k <= r.id_cmc_length; k++) r.id_cmc[k - 1] += 1;
  }
  free(items);
  const double divisor = (double)(strcmp(ask->protocol, "text-to-image") == 0 ? r.queries : r.valid);
  for (int64_t k = 0; k < r.cmc_length; k++) r.cmc[k] /= divisor;
  for (int64_t k = 0; k < r.id_cmc_length; k++) r.id_cmc[k] /= divisor;
  r.mAP /= (double)r.valid;
  r.mINP /= (double)r.valid;
  return r;
}

static inline xr_evaluation ref_run(const xr_evaluation_input *in, xr_evaluation_options options) {
  xr_evaluation r;
  cr_assert_eq(xr_evaluate(in, &options, &r), XR_OK, "%s", xr_message());
  return r;
}

/* The same ranking, to the byte. */
static inline void ref_expect_same(const xr_evaluation *a, const xr_evaluation *b) {
  cr_expect_arr_eq(a->cmc, b->cmc, (size_t)a->cmc_length * sizeof *a->cmc);
  if (a->id_cmc) cr_expect_arr_eq(a->id_cmc, b->id_cmc, (size_t)a->id_cmc_length * sizeof *a->id_cmc);
  cr_expect_arr_eq(a->ap, b->ap, (size_t)a->all_queries * sizeof *a->ap);
  cr_expect_arr_eq(a->first_rank, b->first_rank, (size_t)a->all_queries * sizeof *a->first_rank);
  if (a->top_k) cr_expect_arr_eq(a->top_index, b->top_index, (size_t)(a->all_queries * a->top_k) * sizeof *a->top_index);
  cr_expect(a->mAP == b->mAP && a->mINP == b->mINP && a->ties_at_positives == b->ties_at_positives && a->valid == b->valid);
}

/* Every number of `got` is the reference's, to the bit. `order` and `first_rank` as ref_evaluate() left them. */
static inline void ref_expect(const xr_evaluation *got, const ref_result *want, const ref_question *ask, const int64_t *first_rank,
                              const int64_t *order, int64_t gallery) {
  cr_expect_eq(got->queries, want->queries);
  cr_expect_eq(got->gallery, want->gallery);
  cr_expect_eq(got->valid, want->valid);
  cr_expect_eq(got->unmatched, want->queries - want->valid);
  cr_expect_eq(got->ties_at_positives, want->ties, "%s: %ld ties, expected %ld", ask->protocol, got->ties_at_positives, want->ties);
  cr_assert_eq(got->cmc_length, want->cmc_length);
  for (int64_t k = 0; k < got->cmc_length; k++) cr_expect_eq(got->cmc[k], want->cmc[k], "%s: CMC %ld", ask->protocol, k + 1);
  if (got->id_cmc) {
    cr_assert_eq(got->id_cmc_length, want->id_cmc_length);
    for (int64_t k = 0; k < got->id_cmc_length; k++) cr_expect_eq(got->id_cmc[k], want->id_cmc[k], "%s: id CMC %ld", ask->protocol, k + 1);
  }
  cr_expect_eq(got->mAP, want->mAP, "%s: mAP %.17g, expected %.17g", ask->protocol, got->mAP, want->mAP);
  cr_expect_eq(got->mINP, want->mINP);
  cr_expect_arr_eq(got->first_rank, first_rank, (size_t)got->all_queries * sizeof *first_rank);
  for (int64_t q = 0; ask->ties == XR_TIES_LOWER_INDEX && got->top_k && q < got->all_queries; q++)
    cr_expect_arr_eq(got->top_index + q * got->top_k, order + q * gallery, (size_t)got->top_k * sizeof *order, "%s: best items of %ld",
                     ask->protocol, q);
}
