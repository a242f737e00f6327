/* Where the blocks lie: greedy by size. And the proof that the result is right. */
#include <stdlib.h>
#include <string.h>

#include "host/graph/plan_internal.h"

static size_t aligned(size_t bytes) { return (bytes + XR_PLAN_ALIGNMENT - 1) / XR_PLAN_ALIGNMENT * XR_PLAN_ALIGNMENT; }

static int leader(const xr_plan *plan, int piece) {
  while (plan->pieces[piece].block != piece) piece = plan->pieces[piece].block;
  return piece;
}

static int by_size(const void *a, const void *b) {
  const xr_block_place *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes > y->bytes ? -1 : 1;
  if (x->first != y->first) return x->first < y->first ? -1 : 1;
  return x->leader - y->leader;
}

static void gather_blocks(xr_plan *plan, int *block_of_leader) {
  for (int i = 0; i < plan->piece_count; i++) {
    const xr_piece *p = &plan->pieces[i];
    if (p->first > p->last) continue;
    int lead = leader(plan, i);
    if (block_of_leader[lead] < 0) {
      block_of_leader[lead] = plan->block_count;
      plan->blocks[plan->block_count++] = (xr_block_place){.leader = lead, .first = p->first, .last = p->last};
    }
    xr_block_place *block = &plan->blocks[block_of_leader[lead]];
    if (p->first < block->first) block->first = p->first;
    if (p->last > block->last) block->last = p->last;
    if (aligned(p->bytes) > block->bytes) block->bytes = aligned(p->bytes);
  }
  if (plan->options.no_reuse)
    for (int i = 0; i < plan->block_count; i++)
      plan->blocks[i] = (xr_block_place){plan->blocks[i].leader, plan->blocks[i].bytes, 0, 0, plan->tick_count - 1};
  qsort(plan->blocks, (size_t)plan->block_count, sizeof *plan->blocks, by_size);
}

/* The lowest gap of block->bytes among the placed blocks (sorted by offset in order[]) that live when this one does. */
static size_t find_offset(const xr_plan *plan, const xr_block_place *block, const int *order, int placed) {
  size_t offset = 0;
  for (int k = 0; k < placed; k++) {
    const xr_block_place *other = &plan->blocks[order[k]];
    if (other->last < block->first || block->last < other->first) continue;
    if (offset + block->bytes <= other->offset) break;
    if (other->offset + other->bytes > offset) offset = other->offset + other->bytes;
  }
  return offset;
}

static xr_status place_all(xr_plan *plan) {
  int *order = malloc(((size_t)plan->block_count + 1) * sizeof *order);
  if (!order) return xr_fail(XR_NO_MEMORY, "out of memory");
  for (int i = 0; i < plan->block_count; i++) {
    xr_block_place *block = &plan->blocks[i];
    block->offset = find_offset(plan, block, order, i);
    int at = i;
    while (at > 0 && plan->blocks[order[at - 1]].offset > block->offset) at--;
    memmove(order + at + 1, order + at, (size_t)(i - at) * sizeof *order);
    order[at] = i;
    if (block->offset + block->bytes > plan->arena_bytes) plan->arena_bytes = block->offset + block->bytes;
    plan->unshared += block->bytes;
  }
  free(order);
  return XR_OK;
}

xr_status xr_plan_place(xr_plan *plan) {
  plan->blocks = XR_NEW_ARRAY(plan->arena, xr_block_place, plan->piece_count + 1);
  plan->block_of_piece = XR_NEW_ARRAY(plan->arena, int, plan->piece_count + 1);
  int *block_of_leader = XR_NEW_ARRAY(plan->arena, int, plan->piece_count + 1);
  if (!plan->blocks || !plan->block_of_piece || !block_of_leader) return XR_NO_MEMORY;
  for (int i = 0; i < plan->piece_count; i++) block_of_leader[i] = -1;
  gather_blocks(plan, block_of_leader);
  for (int i = 0; i < plan->block_count; i++) block_of_leader[plan->blocks[i].leader] = i; /* sorting moved them */
  for (int i = 0; i < plan->piece_count; i++)
    plan->block_of_piece[i] = plan->pieces[i].first > plan->pieces[i].last ? -1 : block_of_leader[leader(plan, i)];
  XR_TRY(place_all(plan));
  for (int at = 0; at < plan->tick_count; at++) {
    size_t live = 0;
    for (int i = 0; i < plan->block_count; i++)
      if (plan->blocks[i].first <= at && at <= plan->blocks[i].last) live += plan->blocks[i].bytes;
    if (live > plan->lower_bound) {
      plan->lower_bound = live;
      plan->fullest_tick = at;
    }
  }
  return XR_OK;
}

/* ---- the proof */
static const char *owner_name(const xr_plan *plan, int piece) {
  const xr_piece *p = &plan->pieces[piece];
  return p->kind == XR_PIECE_WORKSPACE ? plan->graph->nodes[p->owner]->path : plan->graph->tensors[p->owner]->name;
}

static xr_status expect_written(const xr_plan *plan, const bool *written, int piece, int at) {
  if (piece < 0 || written[piece]) return XR_OK;
  return xr_fail(XR_BAD_ARGUMENT, "the plan reads %s at tick %d before it is written", owner_name(plan, piece), at);
}

static xr_status check_order(const xr_plan *plan, bool *written) {
  const xr_graph *g = plan->graph;
  for (int t = 1; t < g->tensor_count; t++)
    if (g->tensors[t]->kind == XR_TENSOR_INPUT) written[plan->value[t]] = true;
  if (plan->loss && plan->gradient[plan->loss] >= 0) written[plan->gradient[plan->loss]] = true;
  for (int at = 0; at < plan->tick_count; at++) {
    const xr_tick *tick = &plan->ticks[at];
    const xr_node *node = g->nodes[tick->node];
    bool backward = tick->kind == XR_TICK_BACKWARD;
    for (int j = 0; j < node->in_count; j++)
      if (!backward || xr_bit(node->keep_in, j)) XR_TRY(expect_written(plan, written, xr_plan_value_piece(plan, tick, node->in[j]), at));
    for (int j = 0; j < node->out_count; j++) {
      int piece = xr_plan_value_piece(plan, tick, node->out[j]);
      if (!backward)
        written[piece] = true;
      else if (xr_bit(node->keep_out, j))
        XR_TRY(expect_written(plan, written, piece, at));
      if (backward && plan->reached[node->out[j]]) XR_TRY(expect_written(plan, written, plan->gradient[node->out[j]], at));
    }
    for (int j = 0; j < node->in_count && backward; j++) {
      int piece = plan->gradient[node->in[j]];
      if (piece < 0) continue;
      if (xr_bit(tick->accumulate, j)) XR_TRY(expect_written(plan, written, piece, at));
      written[piece] = true;
    }
  }
  return XR_OK;
}

xr_status xr_plan_check(const xr_plan *plan) {
  for (int i = 0; i < plan->block_count; i++) {
    const xr_block_place *a = &plan->blocks[i];
    if (a->offset + a->bytes > plan->arena_bytes) return xr_fail(XR_BAD_ARGUMENT, "%s lies outside the arena", owner_name(plan, a->leader));
    for (int k = i + 1; k < plan->block_count; k++) {
      const xr_block_place *b = &plan->blocks[k];
      bool same_time = a->first <= b->last && b->first <= a->last,
           same_place = a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
      if (same_time && same_place)
        return xr_fail(XR_BAD_ARGUMENT, "%s and %s overlap in memory while both live", owner_name(plan, a->leader),
                       owner_name(plan, b->leader));
    }
  }
  for (int i = 0; i < plan->piece_count; i++) {
    const xr_piece *p = &plan->pieces[i];
    int block = plan->block_of_piece[i];
    if (p->first > p->last) continue;
    if (p->bytes > plan->blocks[block].bytes || p->first < plan->blocks[block].first || p->last > plan->blocks[block].last)
      return xr_fail(XR_BAD_ARGUMENT, "%s does not fit its block", owner_name(plan, i));
  }
  bool *written = calloc((size_t)plan->piece_count + 1, sizeof *written);
  if (!written) return xr_fail(XR_NO_MEMORY, "out of memory");
  xr_status status = check_order(plan, written);
  free(written);
  return status;
}
