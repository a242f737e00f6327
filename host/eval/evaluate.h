/* Exact evaluation of a ranking: CMC, mAP and mINP from features, embedding sets or scores, without sorting a gallery and without ever
 * holding all [Q, G] scores. The gallery passes by twice, block by block:
 *
 *   first pass    the scores of each query's positives alone, which are then sorted
 *   second pass   tiles of all scores; the items ahead of each positive are counted (kernels/retrieval/rank_count.h)
 *
 * A pair's score has the same bits in both passes (kernels/retrieval/score_tile.h), so the counts are the ranks of a stable sort.
 *
 * For one query let r_1 < .. < r_n be the 1-based ranks of the items with its id among the items it sees:
 *   AP = (1/n) sum_i i / r_i      INP = n / r_n      CMC_k = 1 if r_1 <= k, else 0
 *   trapezoid AP = (1/n) sum_i (i / r_i + (i-1) / (r_i - 1)) / 2, the second term 1 where r_i = 1
 *   id_CMC_k = 1 if at most k - 1 other identities have an item ahead of r_1: the CMC of the list that keeps each identity's best item
 * mAP and mINP average over the queries with a positive; CMC over these too, or over all queries where the protocol counts a query
 * without a positive as a miss (text-to-image). Averages are sums of doubles in query order.
 *
 * Order: higher score first; equal scores as the tie rule says (kernels/retrieval/ties.h). Results are byte-equal for any number of
 * threads, any memory limit and any backend. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/memory.h"
#include "host/base/status.h"
#include "host/eval/protocol.h"
#include "host/eval/row_source.h"
#include "host/eval/score.h"
#include "host/graph/op.h"
#include "kernels/retrieval/ties.h"

extern const char *const xr_tie_rule_names[XR_TIE_RULES]; /* "lower-index", .. */

/* The rule of this name, or XR_TIE_RULES: there is none. */
xr_tie_rule xr_tie_rule_find(const char *name);

typedef enum { XR_AP_STEP, XR_AP_TRAPEZOID, XR_AP_KINDS } xr_ap_kind;

extern const char *const xr_ap_kind_names[XR_AP_KINDS]; /* "step", "trapezoid" */
xr_ap_kind xr_ap_kind_find(const char *name);           /* or XR_AP_KINDS */

typedef struct xr_evaluation_input {
  int64_t queries, gallery; /* Q, G; below 2^31 */
  xr_score_rule rule;
  /* features, unless the rule's weight of the sets is 1 */
  xr_row_source query_features, gallery_features; /* [Q, D], [G, D] */
  int64_t width;                                  /* D */
  /* embedding sets, unless that weight is 0; their rows need not be of length 1 */
  xr_row_source query_sets, gallery_sets; /* [Q, K1, set_width], [G, K2, set_width] */
  int64_t set_width, query_set_size, gallery_set_size;
  /* or a matrix instead of both */
  xr_row_source scores; /* [Q, G], with `data` */
  bool distances;       /* `scores` are distances: lower is better */

  const int64_t *query_ids, *gallery_ids;         /* [Q], [G] */
  const int64_t *query_cameras, *gallery_cameras; /* [Q], [G] or NULL where the protocol needs none */
} xr_evaluation_input;

typedef struct {
  const xr_protocol *protocol; /* NULL: text-to-image */
  int64_t max_rank;            /* length of the CMC, cut to the gallery; 0: 50 */
  xr_tie_rule ties;
  xr_ap_kind ap;
  int64_t top_k; /* > 0: also the best items of every query */
  /* For rows that are being scored and tiles of scores; 0: 128 MiB. At least one row of the gallery and one query are held. What grows
   * with the result comes on top: 16 bytes a positive, 12 top_k bytes and 32 bytes a query, 16 bytes a gallery item, for each trial
   * identities / 8 bytes a query where the protocol counts identities. */
  size_t memory_bytes;
  xr_backend backend; /* where the scores are computed */
} xr_evaluation_options;

typedef struct {
  xr_arena *arena; /* holds everything below */
  const xr_protocol *protocol;
  xr_tie_rule ties;
  xr_ap_kind ap_kind;
  int64_t queries, gallery; /* of the trial */
  int64_t valid, unmatched; /* queries with and without a positive */
  int64_t cmc_length, id_cmc_length;
  double *cmc;    /* [cmc_length], fractions */
  double *id_cmc; /* [id_cmc_length], or NULL: the protocol has none */
  double mAP, mINP;
  int64_t ties_at_positives; /* positives whose score some item of another id shares: their ranks depend on the tie rule */
  int64_t all_queries;       /* Q, also where the trial has only some of them */
  int64_t *first_rank;       /* [Q]: r_1; 0 without a positive */
  double *ap;                /* [Q]; 0 without a positive */
  int64_t top_k;
  int64_t *top_index; /* [Q, top_k]: gallery indices, best first; -1 where the query sees fewer items. NULL when not asked for */
  float *top_score;   /* [Q, top_k]: their scores (of euclidean: score.h); -infinity where there is no item */
} xr_evaluation;

/* XR_BAD_SHAPE: no queries, an empty gallery, no features. XR_BAD_INPUT: cameras are missing, no query has a positive.
 * XR_NOT_FINITE: a NaN score, with its query and gallery item (the first in query order). On failure there is nothing to free. */
xr_status xr_evaluate(const xr_evaluation_input *in, const xr_evaluation_options *options, xr_evaluation *result);
void xr_evaluation_free(xr_evaluation *result);

/* A part of the gallery and of the queries: bit i % 64 of word i / 64 is item i. NULL: all. */
typedef struct {
  const uint64_t *gallery, *queries;
} xr_trial;

/* The same for `count` trials in one go: scores are computed once. results[count], all or none. */
xr_status xr_evaluate_trials(const xr_evaluation_input *in, const xr_evaluation_options *options, const xr_trial *trials, size_t count,
                             xr_evaluation *results);

/* The mean of trials of one protocol: of each CMC entry (a shorter curve stays at its last value), of mAP and mINP; the counts are the
 * first trial's, ties are summed. Nothing a query. */
xr_status xr_evaluation_mean(const xr_evaluation *trials, size_t count, xr_evaluation *mean);

/* Only each query's best items, for galleries without ids: top_index and top_score of `result`; the measures stay 0. One pass. */
xr_status xr_find_best(const xr_evaluation_input *in, const xr_evaluation_options *options, xr_evaluation *result);
