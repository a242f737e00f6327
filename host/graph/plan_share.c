/* Which pieces may be one block of memory: views, results in place, gradients that are passed on. */
#include "host/graph/plan_internal.h"

static int leader(const xr_plan *plan, int piece) {
  while (plan->pieces[piece].block != piece) piece = plan->pieces[piece].block;
  return piece;
}

static void join(xr_plan *plan, int piece, int with) { plan->pieces[leader(plan, piece)].block = leader(plan, with); }

static bool alive(const xr_piece *p, int tick) { return p->first <= tick && tick <= p->last; }

/* Does any piece of `piece`'s block, other than those in except[], live at `tick` or (after) later? */
static bool block_busy(const xr_plan *plan, int piece, int tick, bool later, const int *except, int except_count) {
  int block = leader(plan, piece);
  for (int i = 0; i < plan->piece_count; i++) {
    const xr_piece *p = &plan->pieces[i];
    bool skip = leader(plan, i) != block || p->first > p->last;
    for (int k = 0; k < except_count && !skip; k++) skip = except[k] == i;
    if (!skip && (alive(p, tick) || (later && p->last > tick))) return true;
  }
  return false;
}

static void share_values(xr_plan *plan, int at) {
  const xr_tick *tick = &plan->ticks[at];
  const xr_node *node = plan->graph->nodes[tick->node];
  if (!node->op->is_view && !node->op->in_place) return;
  int in = xr_plan_value_piece(plan, tick, node->in[0]), out = xr_plan_value_piece(plan, tick, node->out[0]);
  if (in < 0 || out < 0) return;
  if (node->op->is_view) {
    join(plan, out, in);
    return;
  }
  if (plan->pieces[in].last == at && plan->pieces[in].bytes == plan->pieces[out].bytes && !block_busy(plan, in, at, true, &in, 1))
    join(plan, out, in);
}

/* After `after`, is gradient piece `a` only written once `b` has been read for the last time? (Nodes add to a gradient that they are not
 * the first to write.) */
static bool writes_wait_for(const xr_plan *plan, int a, int b, int after) {
  const xr_graph *g = plan->graph;
  int tensor = plan->pieces[a].owner;
  for (int i = 0; i < g->node_count; i++) {
    int at = plan->backward_tick[i];
    if (at <= after) continue;
    for (int j = 0; j < g->nodes[i]->in_count; j++)
      if (g->nodes[i]->in[j] == tensor && plan->pieces[b].last >= at) return false;
  }
  return true;
}

/* May gradient piece `new` join `with`'s block at tick `at`, where both hold the same numbers? */
static bool may_join(const xr_plan *plan, int new, int with, int at) {
  if (plan->pieces[new].bytes != plan->pieces[with].bytes) return false;
  int block = leader(plan, with);
  for (int i = 0; i < plan->piece_count; i++) {
    const xr_piece *p = &plan->pieces[i];
    if (i == new || p->last <= at || p->first > p->last || leader(plan, i) != block) continue;
    if (p->kind != XR_PIECE_GRADIENT || !writes_wait_for(plan, new, i, at) || !writes_wait_for(plan, i, new, at)) return false;
  }
  return true;
}

static void share_gradients(xr_plan *plan, int at) {
  xr_tick *tick = &plan->ticks[at];
  const xr_node *node = plan->graph->nodes[tick->node];
  const xr_graph *g = plan->graph;
  int with = plan->gradient[node->out[0]];
  if (with >= 0 && node->op->pass_modifies && block_busy(plan, with, at, false, &with, 1)) with = -1;
  for (int j = 0; j < node->in_count; j++) {
    int t = node->in[j], piece = plan->gradient[t];
    if (!xr_bit(node->op->pass_gradient, j) || piece < 0 || xr_bit(tick->accumulate, j)) continue;
    if (with >= 0 && g->tensors[t]->dtype == g->tensors[plan->pieces[with].owner]->dtype && may_join(plan, piece, with, at))
      join(plan, piece, with);
    if (with < 0) with = piece; /* the first input's gradient serves the others */
  }
}

static void find_owned(xr_plan *plan, int at) {
  xr_tick *tick = &plan->ticks[at];
  const xr_node *node = plan->graph->nodes[tick->node];
  for (int j = 0; j < node->out_count; j++) {
    int piece = plan->gradient[node->out[j]], except[XR_MAX_IN + 1], count = 0;
    if (piece < 0) continue;
    except[count++] = piece;
    for (int k = 0; k < node->in_count; k++) /* its own results that lie there */
      if (plan->gradient[node->in[k]] >= 0 && !xr_bit(tick->accumulate, k)) except[count++] = plan->gradient[node->in[k]];
    if (!block_busy(plan, piece, at, false, except, count)) tick->dout_owned |= 1u << j;
  }
}

void xr_plan_share(xr_plan *plan) {
  for (int at = 0; at < plan->tick_count; at++) {
    if (plan->ticks[at].kind == XR_TICK_BACKWARD)
      share_gradients(plan, at);
    else
      share_values(plan, at);
  }
  for (int at = plan->backward_start; at < plan->tick_count; at++)
    if (plan->ticks[at].kind == XR_TICK_BACKWARD) find_owned(plan, at);
}
