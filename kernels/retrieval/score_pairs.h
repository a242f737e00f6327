/* Single scores, bit for bit those of score_tile.h: those of a query's positives, before the tiles pass.
 *
 *   scores[i] = chain(query[pairs[i].query], items[pairs[i].item])  [+ bias[pairs[i].item]]
 *
 * For embedding sets a pair of samples is K1 K2 pairs of rows, x outside, y inside: then scores are the cosines of set_score.h with
 * queries = pairs of samples, gallery = 1. Rows out of range: CPU XR_BAD_INPUT; CUDA a score that is NaN. */
#pragma once

#include "kernels/retrieval/score_tile.h"

XR_C_BEGIN

typedef struct {
  int32_t query, item; /* rows */
} xr_score_pair;

typedef struct {
  int64_t count, queries, gallery, width;
  xr_dtype query_dtype, item_dtype;  /* XR_F32, XR_BF16 or XR_F16 */
  const void *query;                 /* [queries, width] */
  const void *items;                 /* [gallery, width] */
  int64_t query_stride, item_stride; /* elements from row to row; 0: width */
  const float *bias;                 /* [gallery] or NULL */
  const xr_score_pair *pairs;        /* [count] */
  float *scores;                     /* [count] */
} xr_score_pairs;

xr_status xr_score_pairs_check(const xr_score_pairs *a); /* the arguments, not the data: what every backend does first */
xr_status xr_score_pairs_cpu(const xr_score_pairs *a);
xr_status xr_score_pairs_cuda(const xr_score_pairs *a, xr_stream stream);

XR_C_END
