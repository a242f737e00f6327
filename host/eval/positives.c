#include "host/eval/positives.h"

#include <stdlib.h>

/* Pairs that wait to be scored together. */
typedef struct {
  xr_score_source *source;
  xr_score_pair *pair; /* [source->pairs] */
  float *score;        /* [source->pairs] */
  xr_positive **to;    /* [source->pairs]: where each score goes */
  int64_t count;
} queue;

static int compare_positives(const void *a, const void *b) {
  const xr_positive *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

/* The lists with gallery indices, ascending; scores are still missing. */
static xr_status list_items(xr_positives *p, const xr_identities *who, int64_t queries) {
  int64_t total = 0;
  p->first = malloc((size_t)(queries + 1) * sizeof *p->first);
  if (!p->first) return xr_fail(XR_NO_MEMORY, "evaluation: out of memory for %lld queries", (long long)queries);
  for (int fill = 0; fill < 2; fill++) {
    total = 0;
    for (int64_t q = 0; q < queries; q++) {
      const int32_t identity = who->of_query[q];
      p->first[q] = total;
      for (int64_t i = identity < 0 ? 0 : who->first[identity]; identity >= 0 && i < who->first[identity + 1]; i++) {
        if (xr_is_hidden(who, q, who->items[i])) continue;
        if (fill) p->list[total] = (xr_positive){.index = who->items[i]};
        total++;
      }
    }
    p->first[queries] = total;
    if (fill) break;
    p->list = malloc((size_t)(total ? total : 1) * sizeof *p->list);
    if (!p->list) return xr_fail(XR_NO_MEMORY, "evaluation: out of memory for %lld positives", (long long)total);
  }
  return XR_OK;
}

static xr_status flush(queue *w) {
  if (!w->count) return XR_OK;
  XR_TRY(xr_score_source_pairs(w->source, w->pair, w->count, w->score));
  for (int64_t i = 0; i < w->count; i++) w->to[i]->score = w->score[i] == w->score[i] ? w->score[i] : 0;
  w->count = 0;
  return XR_OK;
}

/* Positives of the loaded queries among the loaded items. next[q]: the first of its list that has no score yet. */
static xr_status score_loaded(queue *w, const xr_positives *p, int64_t *next) {
  const xr_score_source *s = w->source;
  const int64_t first_item = s->first[XR_ITEMS], items_end = first_item + s->count[XR_ITEMS];
  const int64_t first_query = s->first[XR_QUERIES], queries_end = first_query + s->count[XR_QUERIES];
  for (int64_t q = first_query; q < queries_end; q++)
    for (; next[q] < p->first[q + 1] && p->list[next[q]].index < items_end; next[q]++) {
      xr_positive *positive = &p->list[next[q]];
      w->pair[w->count] = (xr_score_pair){.query = (int32_t)(q - first_query), .item = (int32_t)(positive->index - first_item)};
      w->to[w->count++] = positive;
      if (w->count == s->pairs) XR_TRY(flush(w));
    }
  return flush(w);
}

static xr_status score_all(queue *w, const xr_positives *p, int64_t *next) {
  xr_score_source *s = w->source;
  const int64_t queries = s->in->queries, gallery = s->in->gallery;
  for (int64_t q = 0; q < queries; q++) next[q] = p->first[q];
  for (int64_t g = 0; g < gallery; g += s->block) {
    XR_TRY(xr_score_source_load(s, XR_ITEMS, g, gallery - g < s->block ? gallery - g : s->block, false));
    for (int64_t q = 0; q < queries; q += s->chunk) {
      XR_TRY(xr_score_source_load(s, XR_QUERIES, q, queries - q < s->chunk ? queries - q : s->chunk, false));
      XR_TRY(score_loaded(w, p, next));
    }
  }
  return XR_OK;
}

xr_status xr_positives_find(xr_positives *p, const xr_identities *who, xr_score_source *source) {
  const int64_t queries = source->in->queries;
  const size_t pairs = (size_t)source->pairs;
  *p = (xr_positives){0};
  queue w = {.source = source,
             .pair = malloc(pairs * sizeof *w.pair),
             .score = malloc(pairs * sizeof *w.score),
             .to = malloc(pairs * sizeof *w.to)};
  int64_t *next = malloc((size_t)queries * sizeof *next);
  xr_status status = w.pair && w.score && w.to && next ? XR_OK : xr_fail(XR_NO_MEMORY, "evaluation: out of memory for pairs");
  if (status == XR_OK) status = list_items(p, who, queries);
  if (status == XR_OK) status = score_all(&w, p, next);
  free(w.pair);
  free(w.score);
  free(w.to);
  free(next);
  if (status != XR_OK) {
    xr_positives_free(p);
    return status;
  }
#pragma omp parallel for schedule(dynamic, 64)
  for (int64_t q = 0; q < queries; q++)
    if (p->first[q + 1] - p->first[q] > 1)
      qsort(p->list + p->first[q], (size_t)(p->first[q + 1] - p->first[q]), sizeof *p->list, compare_positives);
  return XR_OK;
}

void xr_positives_free(xr_positives *p) {
  free(p->first);
  free(p->list);
  *p = (xr_positives){0};
}
