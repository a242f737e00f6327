#include <stdlib.h>

#include "host/eval/trial.h"
#include "kernels/retrieval/identity_rank.h"

/* One query's positives, best first, with what was counted for them. */
typedef struct {
  const xr_positive *positives;
  const int32_t *ahead, *equal;
  int64_t count;
} ranked_list;

/* Calls nothing, allocates nothing: the ranks r_1 < r_2 < .. of a list, one at a time. */
typedef struct {
  int64_t counted, run, run_length, tied;
} rank_walk;

static int64_t next_rank(rank_walk *w, const ranked_list *l, int64_t i, xr_tie_rule ties) {
  const xr_positive *p = l->positives;
  w->counted += l->ahead[i];
  if (i == 0 || p[i].score != p[w->run].score) { /* a run of positives with one score begins */
    w->run = i;
    for (w->run_length = 1; i + w->run_length < l->count && p[i + w->run_length].score == p[i].score;) w->run_length++;
    if (l->equal[i] > w->run_length) w->tied += w->run_length;
  }
  int64_t rank = w->counted + 1;                                 /* lower-index: exactly the items before it were counted */
  if (ties == XR_TIES_BEST) rank += i - w->run;                  /* its run's earlier positives were not counted */
  if (ties == XR_TIES_WORST) rank += i - w->run - w->run_length; /* the whole run was counted */
  return rank;
}

/* What the positive of place i (from 1) and rank `rank` adds to n AP. */
static double precision(xr_ap_kind kind, int64_t i, int64_t rank) {
  const double here = (double)i / (double)rank;
  if (kind == XR_AP_STEP) return here;
  return (here + (rank == 1 ? 1 : (double)(i - 1) / (double)(rank - 1))) / 2;
}

static void measure_query(xr_evaluation *out, int64_t query, const ranked_list *l) {
  rank_walk walk = {0};
  int64_t rank = 0;
  double sum = 0;
  for (int64_t i = 0; i < l->count; i++) {
    rank = next_rank(&walk, l, i, out->ties);
    sum += precision(out->ap_kind, i + 1, rank);
    if (i == 0) out->first_rank[query] = rank;
  }
  out->ap[query] = sum / (double)l->count;
  out->mAP += out->ap[query];
  out->mINP += (double)l->count / (double)rank;
  out->ties_at_positives += walk.tied;
  out->valid++;
}

/* Until here the curve holds, at k - 1, the number of queries that hit at k. */
static void add_up(double *curve, int64_t length, int64_t divisor) {
  double hits = 0;
  for (int64_t k = 0; k < length; k++) {
    hits += curve[k];
    curve[k] = hits / (double)divisor;
  }
}

xr_status xr_measure(xr_evaluation *out, const int64_t *first, const xr_positive *positives, const int32_t *ahead, const int32_t *equal,
                     const uint32_t *bits, int64_t identities) {
  for (int64_t q = 0; q < out->all_queries; q++) {
    const int64_t at = first[q];
    if (at == first[q + 1]) continue;
    const ranked_list list = {positives + at, ahead + at, equal + at, first[q + 1] - at};
    measure_query(out, q, &list);
    if (out->first_rank[q] <= out->cmc_length) out->cmc[out->first_rank[q] - 1]++;
    if (!out->id_cmc) continue;
    const int64_t place = xr_identity_place(bits + q * xr_identity_words(identities), identities);
    if (place <= out->id_cmc_length) out->id_cmc[place - 1]++;
  }
  out->unmatched = out->queries - out->valid;
  if (!out->valid)
    return xr_fail(XR_BAD_INPUT, "evaluation: none of the %lld queries has an item of its id among the %lld gallery items it sees",
                   (long long)out->queries, (long long)out->gallery);
  out->mAP /= (double)out->valid;
  out->mINP /= (double)out->valid;
  const int64_t divisor = out->protocol->misses_count ? out->queries : out->valid;
  add_up(out->cmc, out->cmc_length, divisor);
  if (out->id_cmc) add_up(out->id_cmc, out->id_cmc_length, divisor);
  return XR_OK;
}

/* The mean of curves; one that ends early stays at its last value. */
static xr_status mean_curve(xr_arena *arena, const xr_evaluation *trials, size_t count, bool ids, double **curve, int64_t *length) {
  for (size_t t = 0; t < count; t++) {
    const int64_t n = ids ? trials[t].id_cmc_length : trials[t].cmc_length;
    if (n > *length) *length = n;
  }
  *curve = XR_NEW_ARRAY(arena, double, *length);
  if (!*curve) return XR_NO_MEMORY;
  for (int64_t k = 0; k < *length; k++) {
    for (size_t t = 0; t < count; t++) {
      const double *one = ids ? trials[t].id_cmc : trials[t].cmc;
      const int64_t n = ids ? trials[t].id_cmc_length : trials[t].cmc_length;
      (*curve)[k] += one[k < n ? k : n - 1];
    }
    (*curve)[k] /= (double)count;
  }
  return XR_OK;
}

xr_status xr_evaluation_mean(const xr_evaluation *trials, size_t count, xr_evaluation *mean) {
  *mean = (xr_evaluation){.arena = xr_arena_new(),
                          .protocol = trials->protocol,
                          .ties = trials->ties,
                          .ap_kind = trials->ap_kind,
                          .queries = trials->queries,
                          .gallery = trials->gallery,
                          .valid = trials->valid,
                          .unmatched = trials->unmatched};
  xr_status status = mean->arena ? mean_curve(mean->arena, trials, count, false, &mean->cmc, &mean->cmc_length) : XR_NO_MEMORY;
  if (status == XR_OK && trials->id_cmc) status = mean_curve(mean->arena, trials, count, true, &mean->id_cmc, &mean->id_cmc_length);
  for (size_t t = 0; t < count; t++) {
    mean->mAP += trials[t].mAP;
    mean->mINP += trials[t].mINP;
    mean->ties_at_positives += trials[t].ties_at_positives;
  }
  mean->mAP /= (double)count;
  mean->mINP /= (double)count;
  if (status != XR_OK) xr_evaluation_free(mean);
  return status;
}
