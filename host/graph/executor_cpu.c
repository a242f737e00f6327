#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/graph/executor_internal.h"

void *xr_executor_piece(const xr_executor *e, int piece) {
  int block = piece < 0 ? -1 : e->plan->block_of_piece[piece];
  return block < 0 ? NULL : e->memory + e->plan->blocks[block].offset;
}

static void *value_pointer(const xr_executor *e, const xr_tick *tick, int tensor) {
  const xr_graph *g = e->plan->graph;
  const xr_tensor *t = g->tensors[tensor];
  if (t->kind != XR_TENSOR_PARAMETER || !tensor) return tensor ? xr_executor_piece(e, xr_plan_value_piece(e->plan, tick, tensor)) : NULL;
  xr_parameter_arrays a = xr_parameters_arrays(g->parameters);
  const xr_parameter *p = xr_parameter_at(g->parameters, t->parameter);
  return t->dtype == XR_BF16 ? (void *)(a.compute + p->compute_offset) : (void *)(a.master + p->offset);
}

static void *gradient_pointer(const xr_executor *e, int tensor) {
  const xr_graph *g = e->plan->graph;
  const xr_tensor *t = g->tensors[tensor];
  if (!tensor || !e->plan->reached[tensor]) return NULL;
  if (t->kind != XR_TENSOR_PARAMETER) return xr_executor_piece(e, e->plan->gradient[tensor]);
  return xr_parameters_arrays(g->parameters).gradient + xr_parameter_at(g->parameters, t->parameter)->offset;
}

static void bind_tick(xr_executor *e, int at) {
  const xr_tick *tick = &e->plan->ticks[at];
  const xr_node *node = e->plan->graph->nodes[tick->node];
  xr_run *run = &e->runs[at];
  *run = (xr_run){
      .accumulate = tick->accumulate, .dout_owned = tick->dout_owned, .seed = &e->seed, .workspace = xr_executor_piece(e, tick->workspace)};
  for (int j = 0; j < node->in_count; j++) {
    run->in[j] = value_pointer(e, tick, node->in[j]);
    if (tick->kind == XR_TICK_BACKWARD) run->din[j] = gradient_pointer(e, node->in[j]);
  }
  for (int j = 0; j < node->out_count; j++) {
    run->out[j] = value_pointer(e, tick, node->out[j]);
    if (tick->kind == XR_TICK_BACKWARD) run->dout[j] = gradient_pointer(e, node->out[j]);
  }
}

static void find_unreached(xr_executor *e) {
  const xr_graph *g = e->plan->graph;
  for (int i = 0; i < xr_parameter_count(g->parameters); i++) e->unreached[i] = true;
  for (int t = 1; t < g->tensor_count; t++)
    if (g->tensors[t]->kind == XR_TENSOR_PARAMETER && e->plan->reached[t]) e->unreached[g->tensors[t]->parameter] = false;
}

xr_status xr_executor_new(xr_executor **out, const xr_plan *plan, xr_executor_options options) {
  *out = NULL;
  xr_executor *e = calloc(1, sizeof *e);
  if (!e) return xr_fail(XR_NO_MEMORY, "out of memory");
  e->plan = plan;
  e->options = options;
  e->runs = calloc((size_t)plan->tick_count + 1, sizeof *e->runs);
  e->unreached = calloc((size_t)xr_parameter_count(plan->graph->parameters) + 1, sizeof *e->unreached);
  e->own_memory = options.memory ? NULL : xr_block_alloc(plan->arena_bytes);
  e->memory = options.memory ? options.memory : e->own_memory;
  if (!e->runs || !e->unreached || !e->memory) {
    xr_executor_free(e);
    return xr_fail(XR_NO_MEMORY,
                   "the plan needs %.1f MiB for activations, which this machine does not give; `xreid plan` shows the largest tensors",
                   (double)plan->arena_bytes / 1048576.0);
  }
  if (options.poison) memset(e->memory, 0xff, plan->arena_bytes);
  for (int at = 0; at < plan->tick_count; at++) bind_tick(e, at);
  find_unreached(e);
  *out = e;
  return XR_OK;
}

void xr_executor_free(xr_executor *e) {
  if (!e) return;
  xr_block_free(e->own_memory);
  free(e->unreached);
  free(e->runs);
  free(e);
}

void *xr_executor_input(xr_executor *e, xr_var input) { return xr_executor_piece(e, e->plan->value[input.id]); }

const void *xr_executor_value(const xr_executor *e, xr_var v) {
  int piece = e->plan->value[v.id];
  return piece >= 0 && e->plan->pieces[piece].last == e->plan->tick_count - 1 ? xr_executor_piece(e, piece) : NULL;
}

static void poison_blocks(xr_executor *e, int at, bool born) {
  for (int i = 0; i < e->plan->block_count; i++) {
    const xr_block_place *b = &e->plan->blocks[i];
    bool input = e->plan->graph->tensors[e->plan->pieces[b->leader].owner]->kind == XR_TENSOR_INPUT &&
                 e->plan->pieces[b->leader].kind == XR_PIECE_VALUE;
    bool seed = at == e->plan->backward_start && born; /* the loss's gradient was written just before */
    if (!input && !seed && (born ? b->first : b->last) == at && !(b->last == e->plan->tick_count - 1 && !born))
      memset(e->memory + b->offset, 0xff, b->bytes);
  }
}

xr_status xr_executor_run_tick(xr_executor *e, int at, xr_seed seed) {
  const xr_tick *tick = &e->plan->ticks[at];
  const xr_node *node = e->plan->graph->nodes[tick->node];
  const bool backward = tick->kind == XR_TICK_BACKWARD;
  e->seed = seed;
  if (backward && at == e->plan->backward_start) *(float *)gradient_pointer(e, e->plan->loss) = 1;
  if (e->options.poison) poison_blocks(e, at, true);
  xr_run_function function = backward ? node->op->backward : node->op->forward;
  if (!function) return node->op->is_view ? XR_OK : xr_fail(XR_UNSUPPORTED, "%s (%s) cannot run", node->path, node->op->name);
  xr_status status = function(node, &e->runs[at]);
  if (status != XR_OK) return xr_fail_in(status, "%s (%s, %s)", node->path, node->op->name, backward ? "backward" : "forward");
  if (e->options.poison) poison_blocks(e, at, false);
  return XR_OK;
}

int xr_executor_tick_count(const xr_executor *e) { return e->plan->tick_count; }

const xr_node *xr_executor_tick_node(const xr_executor *e, int tick, bool *backward) {
  *backward = e->plan->ticks[tick].kind == XR_TICK_BACKWARD;
  return e->plan->graph->nodes[e->plan->ticks[tick].node];
}

static void zero_unreached_gradients(const xr_executor *e) {
  const xr_parameters *parameters = e->plan->graph->parameters;
  for (int i = 0; i < xr_parameter_count(parameters); i++) {
    const xr_parameter *p = xr_parameter_at(parameters, i);
    if (e->unreached[i]) memset(xr_parameters_arrays(parameters).gradient + p->offset, 0, (size_t)xr_elements(p->shape) * sizeof(float));
  }
}

/* ---- not finite */
static int64_t count_nonfinite(const void *values, xr_dtype dtype, int64_t n) {
  int64_t bad = 0;
  for (int64_t i = 0; i < n; i++)
    bad += !isfinite(dtype == XR_BF16 ? xr_bf16_to_f32(((const xr_bf16 *)values)[i]) : ((const float *)values)[i]);
  return bad;
}

static xr_status expect_finite(const xr_node *node, const xr_tensor *t, const void *values, bool gradient) {
  xr_dtype dtype = gradient && t->kind == XR_TENSOR_PARAMETER ? XR_F32 : t->dtype;
  if (!values || (dtype != XR_F32 && dtype != XR_BF16)) return XR_OK;
  int64_t n = xr_elements(t->shape), bad = count_nonfinite(values, dtype, n);
  if (!bad) return XR_OK;
  return xr_fail(XR_NOT_FINITE, "%s%s, made by %s (%s%s): %lld of %lld elements are not finite", gradient ? "gradient of " : "", t->name,
                 node->path, node->op->name, gradient ? ", backward" : "", (long long)bad, (long long)n);
}

static xr_status check_tick(const xr_executor *e, int at) {
  const xr_tick *tick = &e->plan->ticks[at];
  const xr_graph *g = e->plan->graph;
  const xr_node *node = g->nodes[tick->node];
  const xr_run *run = &e->runs[at];
  for (int j = 0; j < node->out_count && tick->kind != XR_TICK_BACKWARD; j++)
    if (!xr_bit(node->op->no_gradient_out, j)) XR_TRY(expect_finite(node, g->tensors[node->out[j]], run->out[j], false));
  for (int j = 0; j < node->in_count && tick->kind == XR_TICK_BACKWARD; j++)
    XR_TRY(expect_finite(node, g->tensors[node->in[j]], run->din[j], true));
  return XR_OK;
}

/* Ticks first .. end-1. */
static xr_status run_ticks(xr_executor *e, int first, int end, xr_seed seed, bool check) {
  for (int at = first; at < end; at++) {
    XR_TRY(xr_executor_run_tick(e, at, seed));
    if (check) XR_TRY(check_tick(e, at));
  }
  return XR_OK;
}

static xr_status run_step(xr_executor *e, xr_seed seed, bool check) {
  const xr_plan *plan = e->plan;
  XR_TRY(run_ticks(e, 0, plan->backward_start, seed, check));
  if (plan->backward_start == plan->tick_count) return XR_OK;
  zero_unreached_gradients(e);
  return run_ticks(e, plan->backward_start, plan->tick_count, seed, check);
}

xr_status xr_executor_forward(xr_executor *e, xr_seed seed) {
  return run_ticks(e, 0, e->plan->backward_start, seed, e->options.check_finite);
}
xr_status xr_executor_step(xr_executor *e, xr_seed seed) { return run_step(e, seed, e->options.check_finite); }
xr_status xr_executor_find_nonfinite(xr_executor *e, xr_seed seed) { return run_step(e, seed, true); }
