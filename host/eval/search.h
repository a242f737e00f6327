/* The best rows of an index for each query: exact, and with memory for a block of rows and a tile of scores, not for the index. */
#pragma once

#include "host/eval/index.h"
#include "host/eval/score.h"
#include "host/graph/op.h"

typedef struct {
  int64_t queries, top_k;
  const float *features; /* [Q, D], not normalised */
  const float *sets;     /* [Q, K, D]; NULL: the rule needs none */
  xr_score_rule rule;
  xr_backend backend;  /* where the scores are computed */
  size_t memory_bytes; /* for blocks and tiles; 0: 128 MiB */
} xr_search;

/* rows [Q, top_k], best first: higher score, then lower row; -1 behind the last. scores [Q, top_k]. The same bits as xreid rank's, for any
 * shards, memory, threads and backend.
 * XR_BAD_SHAPE: no query, an empty index. XR_BAD_INPUT: the rule needs sets and there are none, a damaged shard. XR_NOT_FINITE: a query
 * that is not. */
xr_status xr_search_index(xr_index *index, const xr_search *search, int64_t *rows, float *scores);
