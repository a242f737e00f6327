/* Exact evaluation of a ranking: CMC, mAP and mINP from features or from scores, without sorting a gallery and, for features, without
 * ever holding all [Q, G] scores: strips of queries pass by, and the items ahead of each positive are counted
 * (kernels/retrieval/rank_count.h).
 *
 * For one query let r_1 < .. < r_n be the 1-based ranks of the items with its id among the items it sees:
 *   AP = (1/n) sum_i i / r_i      INP = n / r_n      CMC_k = 1 if r_1 <= k, else 0
 * mAP and mINP average over the queries with a positive; CMC over these too, or over all queries where the protocol counts a query
 * without a positive as a miss (text-to-image). Averages are sums of doubles in query order.
 *
 * Order: higher score first; equal scores as the tie rule says (kernels/retrieval/ties.h). Results are byte-equal for any number of
 * threads and any memory limit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/memory.h"
#include "host/base/status.h"
#include "host/eval/protocol.h"
#include "host/eval/score.h"
#include "kernels/retrieval/ties.h"

extern const char *const xr_tie_rule_names[XR_TIE_RULES]; /* "lower-index", .. */

/* The rule of this name, or XR_TIE_RULES: there is none. */
xr_tie_rule xr_tie_rule_find(const char *name);

typedef struct xr_evaluation_input {
  int64_t queries, gallery; /* Q, G; G below 2^31 */
  /* either features */
  const float *query_features, *gallery_features; /* [Q, D], [G, D] */
  int64_t width;                                  /* D */
  xr_metric metric;
  /* or a matrix (features NULL) */
  const float *scores; /* [Q, G] */
  bool distances;      /* `scores` are distances: lower is better */

  const int64_t *query_ids, *gallery_ids;         /* [Q], [G] */
  const int64_t *query_cameras, *gallery_cameras; /* [Q], [G] or NULL where the protocol needs none */
} xr_evaluation_input;

typedef struct {
  const xr_protocol *protocol; /* NULL: text-to-image */
  int64_t max_rank;            /* length of the CMC, cut to the gallery; 0: 50 */
  xr_tie_rule ties;
  int64_t top_k;       /* > 0: also the best items of every query */
  size_t memory_bytes; /* for strips of scores (at least 256 queries are held); 0: 32 MiB */
} xr_evaluation_options;

typedef struct {
  xr_arena *arena; /* holds everything below */
  const xr_protocol *protocol;
  xr_tie_rule ties;
  int64_t queries, gallery;
  int64_t valid, unmatched; /* queries with and without a positive */
  int64_t cmc_length;
  double *cmc; /* [cmc_length], fractions */
  double mAP, mINP;
  int64_t ties_at_positives; /* positives whose score some item of another id shares: their ranks depend on the tie rule */
  int64_t *first_rank;       /* [Q]: r_1; 0 without a positive */
  double *ap;                /* [Q]; 0 without a positive */
  int64_t top_k;
  int64_t *top_index; /* [Q, top_k]: gallery indices, best first; -1 where the query sees fewer items. NULL when not asked for */
} xr_evaluation;

/* XR_BAD_SHAPE: no queries, an empty gallery, no features. XR_BAD_INPUT: cameras are missing, no query has a positive.
 * XR_NOT_FINITE: a NaN score, with its query and gallery item. On failure there is nothing to free. */
xr_status xr_evaluate(const xr_evaluation_input *in, const xr_evaluation_options *options, xr_evaluation *result);
void xr_evaluation_free(xr_evaluation *result);
