/* The plan as the executors of this folder see it. */
#pragma once

#include "host/graph/graph_internal.h"
#include "host/graph/plan.h"

typedef enum { XR_TICK_FORWARD, XR_TICK_RECOMPUTE, XR_TICK_BACKWARD } xr_tick_kind;

typedef struct {
  int node;
  xr_tick_kind kind;
  uint32_t accumulate; /* backward: gradients to add to */
  uint32_t dout_owned; /* backward: incoming gradients that may be overwritten */
  int workspace;       /* piece, or -1 */
} xr_tick;

typedef enum { XR_PIECE_VALUE, XR_PIECE_REVIVED, XR_PIECE_GRADIENT, XR_PIECE_WORKSPACE } xr_piece_kind;

typedef struct {
  xr_piece_kind kind;
  int owner; /* tensor; for a workspace the node */
  size_t bytes;
  int first, last; /* ticks; first > last: never touched */
  int block;       /* the block it belongs to: a piece index, its own when it leads one */
} xr_piece;

typedef struct {
  int leader; /* piece */
  size_t bytes, offset;
  int first, last;
} xr_block_place;

struct xr_plan {
  xr_arena *arena;
  const xr_graph *graph;
  xr_plan_options options;
  int loss;
  xr_tick *ticks;
  int tick_count, backward_start; /* the first tick after forward */
  bool *active, *reached;         /* node: runs backward; tensor: a gradient reaches it */
  int *backward_tick;             /* of each node, or -1 */
  xr_piece *pieces;
  int piece_count;
  int *value, *revived, *gradient; /* piece of each tensor, or -1 */
  xr_block_place *blocks;          /* sorted by size */
  int block_count;
  int *block_of_piece; /* index into blocks, or -1 */
  size_t arena_bytes, lower_bound, unshared;
  int fullest_tick;
};

enum { XR_PLAN_ALIGNMENT = 256 };

/* The piece a tick reads or writes a tensor's value in, or -1 (parameters, nothing). */
int xr_plan_value_piece(const xr_plan *plan, const xr_tick *tick, int tensor);
/* Steps of xr_plan_new, in order. */
xr_status xr_plan_lives(xr_plan *plan);
void xr_plan_share(xr_plan *plan);
xr_status xr_plan_workspaces(xr_plan *plan);
xr_status xr_plan_place(xr_plan *plan);
