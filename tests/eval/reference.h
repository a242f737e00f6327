/* The slow way: every query's gallery is sorted with qsort, then read from front to back. Only for tests. */
#pragma once

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

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
  int64_t valid, ties;
  double cmc[64], mAP, mINP;
} ref_result;

/* `scores` [Q, G], higher is better. excluded: same id and camera, when the input has cameras. first_rank [Q], order [Q, G] of the
 * items that are seen, -1 behind them; either may be NULL. */
static inline ref_result ref_evaluate(const xr_evaluation_input *in, const double *scores, xr_tie_rule rule, bool misses_count,
                                      int max_rank, int64_t *first_rank, int64_t *order) {
  ref_result r = {0};
  ref_item *items = malloc((size_t)in->gallery * sizeof *items);
  for (int64_t q = 0; q < in->queries; q++) {
    int64_t kept = 0, positives = 0, last = 0, first = 0;
    for (int64_t g = 0; g < in->gallery; g++) {
      bool same = in->gallery_ids[g] == in->query_ids[q];
      if (in->query_cameras && same && in->query_cameras[q] == in->gallery_cameras[g]) continue;
      int class = rule == XR_TIES_BEST ? !same : rule == XR_TIES_WORST ? same : 0;
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
      ap += (double)positives / (double)last;
      bool tied = false;
      for (int64_t j = 0; j < kept; j++) tied |= items[j].score == items[i].score && in->gallery_ids[items[j].index] != in->query_ids[q];
      r.ties += tied;
    }
    if (order)
      for (int64_t i = kept; i < in->gallery; i++) order[q * in->gallery + i] = -1;
    if (first_rank) first_rank[q] = first;
    if (!positives) continue;
    r.valid++;
    r.mAP += ap / (double)positives;
    r.mINP += (double)positives / (double)last;
    for (int k = (int)first; k <= max_rank; k++) r.cmc[k - 1] += 1;
  }
  free(items);
  for (int k = 0; k < max_rank; k++) r.cmc[k] /= (double)(misses_count ? in->queries : r.valid);
  r.mAP /= (double)r.valid;
  r.mINP /= (double)r.valid;
  return r;
}
