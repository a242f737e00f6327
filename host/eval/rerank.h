/* k-reciprocal re-ranking (Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017), in sparse form:
 * equal to the dense one to rounding, without its three matrices of all pairs.
 *
 * Items are the queries, then the gallery: N = Q + G. With D the distances of all pairs,
 *   d(i, j)  = D(j, i)^2 / max over k of D(k, i)^2          (0 where that maximum is 0)
 *   K(i, k)  = the first k items of i by d(i, .), the lower index first among equals; all N when k is larger
 *   R(i, k)  = the j in K(i, k + 1) with i in K(j, k + 1)
 *   R*(i)    = R(i, k1) and every R(c, h) of a c in R(i, k1) that has more than 2/3 of its members in R(i, k1); h: k1 / 2, halves to even
 *   V(i, j)  = exp(-d(i, j)) over R*(i), divided by their sum; then, unless k2 = 1, V(i, .) = the mean of V(j, .) over K(i, k2)
 *   m(q, g)  = sum over j of min(V(q, j), V(g, j))
 *   result   = (1 - lambda) (1 - m / (2 - m)) + lambda d(q, g)
 * everything in f32. Work is N^2 products of `width` (twice for queries) and about N k1^2 k2 beyond that; memory N (width + k1 + the
 * members of V, tens to hundreds each). Byte-equal for any number of threads. */
#pragma once

#include "host/eval/row_source.h"
#include "host/eval/score.h"

typedef struct {
  int64_t k1, k2; /* >= 1; the paper's: 20, 6 */
  float lambda;   /* 0 .. 1; the paper's: 0.3 */
} xr_rerank_options;

typedef struct {
  int64_t queries, gallery; /* Q, G >= 1; Q + G < 2^31 */
  /* features, and what their distance is: cosine 1 - cos, euclidean |q - g|. An item is at distance 0 from itself. */
  xr_row_source query_features, gallery_features; /* [Q, width], [G, width] */
  int64_t width;
  xr_metric metric;
  /* or the distances of all pairs, queries first: [Q + G, Q + G] */
  const float *distances;
} xr_rerank_input;

typedef struct xr_reranker xr_reranker;

/* Finds neighbours and V. XR_BAD_ARGUMENT: options out of range, a metric that is no distance. XR_NOT_FINITE: a distance that is not a
 * number or infinite, with its items. `distances` outlive the re-ranker, features do not need to. */
xr_status xr_reranker_new(xr_reranker **reranker, const xr_rerank_input *in, xr_rerank_options options);
void xr_reranker_free(xr_reranker *reranker); /* NULL is allowed */

/* result[count, G]: the new distances of queries first .. first + count - 1. */
xr_status xr_reranker_rows(const xr_reranker *reranker, int64_t first, int64_t count, float *result);

/* "k1,k2,lambda" as --rerank takes it; XR_BAD_ARGUMENT with what is wrong. */
xr_status xr_rerank_parse(const char *text, xr_rerank_options *options);
