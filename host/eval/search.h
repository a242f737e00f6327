/* The best rows of an index for each query: exact, shard by shard, with memory for a tile of scores and not more. */
#pragma once

#include "host/eval/index.h"
#include "host/eval/score.h"

typedef struct {
  int64_t queries, top_k;
  const float *features; /* [Q, D], not normalised */
  const float *sets;     /* [Q, K, D], unit rows; NULL: the rule needs none */
  xr_score_rule rule;
} xr_search;

/* rows [Q, top_k], best first: higher score, then lower row; -1 behind the last. scores [Q, top_k].
 * XR_BAD_SHAPE: no query, an empty index. XR_BAD_INPUT: the rule needs sets and there are none, a damaged shard. XR_NOT_FINITE: a query
 * that is not. */
xr_status xr_search_index(xr_index *index, const xr_search *search, int64_t *rows, float *scores);
