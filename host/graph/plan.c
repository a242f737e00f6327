/* Ticks and lives: what runs when, and from when to when each piece of memory is needed. */
#include "host/graph/plan.h"

#include <stdlib.h>
#include <string.h>

#include "host/graph/plan_internal.h"

static const xr_tensor *tensor_of(const xr_plan *plan, int id) { return plan->graph->tensors[id]; }

static int add_piece(xr_plan *plan, xr_piece_kind kind, int owner, size_t bytes) {
  int index = plan->piece_count++;
  plan->pieces[index] = (xr_piece){.kind = kind, .owner = owner, .bytes = bytes, .first = plan->tick_count, .last = -1, .block = index};
  return index;
}

static void touch(xr_plan *plan, int piece, int tick) {
  if (piece < 0) return;
  xr_piece *p = &plan->pieces[piece];
  if (tick < p->first) p->first = tick;
  if (tick > p->last) p->last = tick;
}

static int group_of_producer(const xr_plan *plan, int tensor) {
  int producer = tensor_of(plan, tensor)->producer;
  return producer < 0 ? 0 : plan->graph->nodes[producer]->recompute_group;
}

/* A recomputed tensor has two lives. Its own group's recompute and backward ticks use the second one, everybody else the first. */
int xr_plan_value_piece(const xr_plan *plan, const xr_tick *tick, int tensor) {
  int group = plan->graph->nodes[tick->node]->recompute_group;
  bool second = tick->kind != XR_TICK_FORWARD && group && group_of_producer(plan, tensor) == group;
  return second && plan->revived[tensor] >= 0 ? plan->revived[tensor] : plan->value[tensor];
}

/* ---- which nodes run backward */
static void find_reached(xr_plan *plan) {
  const xr_graph *g = plan->graph;
  if (!plan->loss || !tensor_of(plan, plan->loss)->needs_gradient) return;
  plan->reached[plan->loss] = true;
  for (int i = g->node_count - 1; i >= 0; i--) {
    const xr_node *node = g->nodes[i];
    for (int j = 0; j < node->out_count; j++)
      if (plan->reached[node->out[j]] && node->op->backward) plan->active[i] = true;
    for (int j = 0; j < node->in_count && plan->active[i]; j++)
      if (tensor_of(plan, node->in[j])->needs_gradient) plan->reached[node->in[j]] = true;
  }
}

/* ---- recompute: which nodes of a group must run again for its backward ticks */
static void mark_recomputed(const xr_plan *plan, int first, int last, bool *again) {
  const xr_graph *g = plan->graph;
  int group = g->nodes[first]->recompute_group;
  bool *needed = calloc((size_t)g->tensor_count, sizeof *needed);
  for (int i = first; needed && i <= last; i++) {
    if (!plan->active[i]) continue;
    const xr_node *node = g->nodes[i];
    for (int j = 0; j < node->in_count; j++) needed[node->in[j]] |= xr_bit(node->keep_in, j);
    for (int j = 0; j < node->out_count; j++) needed[node->out[j]] |= xr_bit(node->keep_out, j);
  }
  for (int i = last; needed && i >= first; i--) {
    const xr_node *node = g->nodes[i];
    for (int j = 0; j < node->out_count; j++) again[i] |= needed[node->out[j]];
    for (int j = 0; j < node->in_count && again[i]; j++) needed[node->in[j]] |= group_of_producer(plan, node->in[j]) == group;
  }
  free(needed);
}

static void add_tick(xr_plan *plan, int node, xr_tick_kind kind) {
  plan->ticks[plan->tick_count++] = (xr_tick){.node = node, .kind = kind, .workspace = -1};
}

static void make_ticks(xr_plan *plan, bool *again) {
  const xr_graph *g = plan->graph;
  for (int i = 0; i < g->node_count; i++) add_tick(plan, i, XR_TICK_FORWARD);
  plan->backward_start = plan->tick_count;
  int entered = 0;
  for (int i = g->node_count - 1; i >= 0; i--) {
    if (!plan->active[i]) continue;
    int group = g->nodes[i]->recompute_group;
    if (group && group != entered) { /* the group's last active node: run again what its backward ticks will read */
      entered = group;
      int first = i;
      while (first > 0 && g->nodes[first - 1]->recompute_group == group) first--;
      mark_recomputed(plan, first, i, again);
      for (int k = first; k <= i; k++)
        if (again[k]) add_tick(plan, k, XR_TICK_RECOMPUTE);
    }
    plan->backward_tick[i] = plan->tick_count;
    add_tick(plan, i, XR_TICK_BACKWARD);
  }
}

static void make_pieces(xr_plan *plan, const bool *again) {
  const xr_graph *g = plan->graph;
  for (int t = 0; t < g->tensor_count; t++) {
    const xr_tensor *tensor = g->tensors[t];
    plan->value[t] = plan->revived[t] = plan->gradient[t] = -1;
    if (t == 0 || tensor->kind == XR_TENSOR_PARAMETER) continue;
    size_t bytes = xr_tensor_bytes(tensor);
    plan->value[t] = add_piece(plan, XR_PIECE_VALUE, t, bytes);
    if (tensor->producer >= 0 && again[tensor->producer]) plan->revived[t] = add_piece(plan, XR_PIECE_REVIVED, t, bytes);
    if (plan->reached[t]) plan->gradient[t] = add_piece(plan, XR_PIECE_GRADIENT, t, bytes);
  }
}

static void touch_backward(xr_plan *plan, xr_tick *tick, int at, bool *written) {
  const xr_node *node = plan->graph->nodes[tick->node];
  for (int j = 0; j < node->in_count; j++)
    if (xr_bit(node->keep_in, j)) touch(plan, xr_plan_value_piece(plan, tick, node->in[j]), at);
  for (int j = 0; j < node->out_count; j++) {
    if (xr_bit(node->keep_out, j)) touch(plan, xr_plan_value_piece(plan, tick, node->out[j]), at);
    touch(plan, plan->gradient[node->out[j]], at);
  }
  for (int j = 0; j < node->in_count; j++) {
    int t = node->in[j];
    if (!plan->reached[t]) continue;
    if (written[t]) tick->accumulate |= 1u << j;
    written[t] = true;
    touch(plan, plan->gradient[t], at);
  }
}

xr_status xr_plan_lives(xr_plan *plan) {
  const xr_graph *g = plan->graph;
  bool *again = XR_NEW_ARRAY(plan->arena, bool, g->node_count + 1), *written = XR_NEW_ARRAY(plan->arena, bool, g->tensor_count);
  if (!again || !written) return XR_NO_MEMORY;
  find_reached(plan);
  make_ticks(plan, again);
  make_pieces(plan, again);
  const int end = plan->tick_count - 1;
  for (int at = 0; at < plan->tick_count; at++) {
    xr_tick *tick = &plan->ticks[at];
    const xr_node *node = g->nodes[tick->node];
    if (tick->kind == XR_TICK_BACKWARD) {
      touch_backward(plan, tick, at, written);
      continue;
    }
    for (int j = 0; j < node->in_count; j++) touch(plan, xr_plan_value_piece(plan, tick, node->in[j]), at);
    for (int j = 0; j < node->out_count; j++) touch(plan, xr_plan_value_piece(plan, tick, node->out[j]), at);
  }
  for (int t = 1; t < g->tensor_count; t++) {
    const xr_tensor *tensor = g->tensors[t];
    if (tensor->kind == XR_TENSOR_INPUT) touch(plan, plan->value[t], 0);
    if (tensor->kind == XR_TENSOR_INPUT || tensor->is_output || t == plan->loss) touch(plan, plan->value[t], end);
  }
  if (plan->loss && plan->reached[plan->loss]) touch(plan, plan->gradient[plan->loss], plan->backward_start);
  return XR_OK;
}

xr_status xr_plan_workspaces(xr_plan *plan) {
  for (int at = 0; at < plan->tick_count; at++) {
    xr_tick *tick = &plan->ticks[at];
    const xr_node *node = plan->graph->nodes[tick->node];
    size_t bytes = node->op->workspace
                       ? node->op->workspace(node, (xr_run_kind){tick->kind == XR_TICK_BACKWARD, tick->accumulate, tick->dout_owned})
                       : 0;
    if (!bytes) continue;
    tick->workspace = add_piece(plan, XR_PIECE_WORKSPACE, tick->node, bytes);
    touch(plan, tick->workspace, at);
  }
  return XR_OK;
}

static xr_status make(xr_plan *plan) {
  const xr_graph *g = plan->graph;
  const size_t nodes = (size_t)g->node_count + 1, tensors = (size_t)g->tensor_count;
  plan->ticks = XR_NEW_ARRAY(plan->arena, xr_tick, 3 * nodes);
  plan->active = XR_NEW_ARRAY(plan->arena, bool, nodes);
  plan->backward_tick = XR_NEW_ARRAY(plan->arena, int, nodes);
  plan->reached = XR_NEW_ARRAY(plan->arena, bool, tensors);
  plan->pieces = XR_NEW_ARRAY(plan->arena, xr_piece, 3 * tensors + 3 * nodes);
  plan->value = XR_NEW_ARRAY(plan->arena, int, tensors);
  plan->revived = XR_NEW_ARRAY(plan->arena, int, tensors);
  plan->gradient = XR_NEW_ARRAY(plan->arena, int, tensors);
  if (!plan->ticks || !plan->active || !plan->backward_tick || !plan->reached || !plan->pieces || !plan->value || !plan->revived ||
      !plan->gradient)
    return XR_NO_MEMORY;
  for (int i = 0; i < g->node_count; i++) plan->backward_tick[i] = -1;
  XR_TRY(xr_plan_lives(plan));
  xr_plan_share(plan);
  XR_TRY(xr_plan_workspaces(plan));
  return xr_plan_place(plan);
}

xr_status xr_plan_new(xr_plan **out, const xr_graph *graph, xr_var loss, xr_plan_options options) {
  *out = NULL;
  XR_TRY(xr_graph_status(graph));
  const xr_tensor *l = graph->tensors[loss.id];
  if (loss.id && (l->dtype != XR_F32 || xr_elements(l->shape) != 1))
    return xr_fail(XR_BAD_SHAPE, "%s: a loss is one f32 element, this is %s %s", l->name, xr_dtype_name(l->dtype),
                   xr_shape_to_text(l->shape).text);
  xr_plan *plan = calloc(1, sizeof *plan);
  if (!plan || !(plan->arena = xr_arena_new())) {
    free(plan);
    return xr_fail(XR_NO_MEMORY, "out of memory");
  }
  plan->graph = graph;
  plan->options = options;
  plan->loss = loss.id;
  xr_status status = make(plan);
  if (status != XR_OK) {
    xr_plan_free(plan);
    return status;
  }
  *out = plan;
  return XR_OK;
}

void xr_plan_free(xr_plan *plan) {
  if (!plan) return;
  xr_arena_free(plan->arena);
  free(plan);
}
