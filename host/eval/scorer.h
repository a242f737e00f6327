/* Scores of blocks of queries and items under one rule (score.h), on one backend, the same bits for any blocks.
 *
 *   xr_scorer_new       says the shapes and how much of each side may be loaded at a time
 *   xr_scorer_load      brings rows of one side to the backend and prepares them
 *   xr_scorer_tile      scores of some of the loaded queries with all loaded items
 *   xr_scorer_pairs     scores of chosen pairs of loaded queries and items
 *
 * Work is queued on the scorer's stream; rows that a caller hands over are free again when the call returns. */
#pragma once

#include <stdbool.h>

#include "host/eval/row_source.h"
#include "host/eval/score.h"
#include "host/graph/op.h"
#include "kernels/retrieval/score_pairs.h"

typedef enum { XR_QUERIES, XR_ITEMS, XR_SIDES } xr_side;

typedef struct {
  xr_score_rule rule;
  int64_t width, set_width, set_size[XR_SIDES]; /* D; of the sets: D and K. The rule says which are needed */
  xr_row_source features[XR_SIDES], sets[XR_SIDES];
  int64_t capacity[XR_SIDES]; /* rows (sets) that are loaded at a time */
  int64_t tile_rows;          /* queries that xr_scorer_tile() takes at a time */
  int64_t pairs;              /* that xr_scorer_pairs() takes at a time */
  xr_backend backend;
  xr_stream stream;
} xr_scorer_shape;

typedef struct xr_scorer xr_scorer;

/* XR_BAD_ARGUMENT, XR_BAD_SHAPE: the rule and the rows do not fit together (xr_scorer_check). */
xr_status xr_scorer_check(const xr_scorer_shape *shape);
xr_status xr_scorer_new(xr_scorer **scorer, const xr_scorer_shape *shape);
void xr_scorer_free(xr_scorer *scorer); /* NULL is allowed */

/* Bytes of one loaded row of a side, with what is made of it; of one pair in a tile. Independent of the capacities. */
size_t xr_scorer_row_bytes(const xr_scorer_shape *shape, xr_side side);
size_t xr_scorer_score_bytes(const xr_scorer_shape *shape);

/* Rows first .. first + count - 1. `for_tiles`: tiles will follow (items are rearranged for them), else pairs. */
xr_status xr_scorer_load(xr_scorer *scorer, xr_side side, int64_t first, int64_t count, bool for_tiles);

/* scores [count, items loaded] in the backend's memory, `stride` from row to row: loaded queries first .. first + count - 1. */
xr_status xr_scorer_tile(xr_scorer *scorer, int64_t first, int64_t count, float *scores, int64_t stride);

/* scores[i] of pairs[i], numbered from the first loaded query and item; plain memory on both sides. */
xr_status xr_scorer_pairs(xr_scorer *scorer, const xr_score_pair *pairs, int64_t count, float *scores);
