#include "host/graph/executor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/graph/executor_internal.h"

static const double MIB = 1048576.0;

/* ---- pointers */
void *xr_executor_piece(const xr_executor *e, int piece) {
  int block = piece < 0 ? -1 : e->plan->block_of_piece[piece];
  return block < 0 ? NULL : e->memory + e->plan->blocks[block].offset;
}

bool xr_executor_keeps(const xr_executor *e, int tensor) {
  int piece = e->plan->value[tensor];
  return piece >= 0 && e->plan->pieces[piece].last == e->plan->tick_count - 1;
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
  *run = (xr_run){.accumulate = tick->accumulate,
                  .dout_owned = tick->dout_owned,
                  .workspace = xr_executor_piece(e, tick->workspace),
                  .backend = e->plan->options.backend,
                  .again = tick->kind == XR_TICK_RECOMPUTE,
                  .tf32 = e->options.tf32};
  e->backend->bind(e, run);
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

/* ---- life */
static xr_status backend_of(const xr_plan *plan, const xr_executor_backend **backend) {
  *backend = &xr_executor_cpu;
  if (plan->options.backend == XR_CPU) return XR_OK;
#ifdef XREID_CUDA
  *backend = &xr_executor_cuda;
  return XR_OK;
#else
  return xr_fail(XR_UNSUPPORTED, "the plan is for CUDA, which this build does not have");
#endif
}

/* Samples of the graph's inputs. */
static int64_t batch_of(const xr_plan *plan) {
  for (int t = 1; t < plan->graph->tensor_count; t++)
    if (plan->graph->tensors[t]->kind == XR_TENSOR_INPUT) return plan->graph->tensors[t]->shape.dim[0];
  return 1;
}

/* With the batch grow the arena and the executor's two buffers of inputs; some memory is left to the device's libraries. */
static int64_t batch_that_fits(const xr_plan *plan, size_t free_bytes) {
  const double grows = (double)plan->arena_bytes + 2 * (double)xr_plan_memory(plan).inputs;
  return (int64_t)((double)batch_of(plan) * 0.95 * (double)free_bytes / grows);
}

xr_status xr_executor_memory_new(void **memory, const xr_plan *plan, size_t bytes) {
  size_t free_bytes, total;
  const bool known = xr_device_free_bytes(plan->options.backend, &free_bytes, &total);
  if (xr_device_alloc(plan->options.backend, memory, bytes) == XR_OK) return XR_OK;
  if (!known)
    return xr_fail(XR_NO_MEMORY,
                   "out of memory: the activations need %.1f MiB, which this machine does not give; a smaller sampler.batch or eval.batch "
                   "needs less, and `xreid plan` shows the largest tensors",
                   (double)bytes / MIB);
  char remedy[100];
  const int64_t fits = batch_that_fits(plan, free_bytes);
  if (bytes > plan->arena_bytes) /* the largest of the plans that take turns is not this one */
    snprintf(remedy, sizeof remedy, "a smaller eval.batch needs less");
  else if (fits > 0)
    snprintf(remedy, sizeof remedy, "a batch of about %lld would fit (sampler.batch)", (long long)fits);
  else
    snprintf(remedy, sizeof remedy, "not even a batch of 1 would fit");
  return xr_fail(XR_NO_MEMORY,
                 "out of device memory: the activations need %.1f MiB at a batch of %lld, and %.1f of %.1f MiB are free: %s; `xreid plan` "
                 "shows the largest tensors",
                 (double)bytes / MIB, (long long)batch_of(plan), (double)free_bytes / MIB, (double)total / MIB, remedy);
}

static xr_status prepare(xr_executor *e) {
  const xr_plan *plan = e->plan;
  XR_TRY(backend_of(plan, &e->backend));
  if (xr_parameters_options(plan->graph->parameters).backend != plan->options.backend)
    return xr_fail(XR_BAD_ARGUMENT, "the plan and its parameters are for different devices");
  e->runs = calloc((size_t)plan->tick_count + 1, sizeof *e->runs);
  e->unreached = calloc((size_t)xr_parameter_count(plan->graph->parameters) + 1, sizeof *e->unreached);
  if (!e->runs || !e->unreached) return xr_fail(XR_NO_MEMORY, "out of memory");
  e->memory = e->options.memory;
  if (!e->memory) {
    XR_TRY(xr_executor_memory_new((void **)&e->own_memory, plan, plan->arena_bytes));
    e->memory = e->own_memory;
  }
  XR_TRY(e->backend->open(e));
  for (int at = 0; at < plan->tick_count; at++) bind_tick(e, at);
  find_unreached(e);
  return e->options.poison ? e->backend->fill(e, e->memory, 0xff, plan->arena_bytes) : XR_OK;
}

xr_status xr_executor_new(xr_executor **out, const xr_plan *plan, xr_executor_options options) {
  *out = NULL;
  xr_executor *e = calloc(1, sizeof *e);
  if (!e) return xr_fail(XR_NO_MEMORY, "out of memory");
  e->plan = plan;
  e->options = options;
  xr_status status = prepare(e);
  if (status != XR_OK) {
    xr_executor_free(e);
    return status;
  }
  *out = e;
  return XR_OK;
}

void xr_executor_free(xr_executor *e) {
  if (!e) return;
  if (e->own) e->backend->close(e);
  xr_device_free(e->plan->options.backend, e->own_memory);
  free(e->unreached);
  free(e->runs);
  free(e);
}

/* ---- one tick */
static xr_status poison_blocks(xr_executor *e, int at, bool born) {
  for (int i = 0; i < e->plan->block_count; i++) {
    const xr_block_place *b = &e->plan->blocks[i];
    bool input = e->plan->graph->tensors[e->plan->pieces[b->leader].owner]->kind == XR_TENSOR_INPUT &&
                 e->plan->pieces[b->leader].kind == XR_PIECE_VALUE;
    bool seed = at == e->plan->backward_start && born; /* the loss's gradient was written just before */
    if (!input && !seed && (born ? b->first : b->last) == at && !(b->last == e->plan->tick_count - 1 && !born))
      XR_TRY(e->backend->fill(e, e->memory + b->offset, 0xff, b->bytes));
  }
  return XR_OK;
}

static xr_status run_tick(xr_executor *e, int at) {
  const xr_tick *tick = &e->plan->ticks[at];
  const xr_node *node = e->plan->graph->nodes[tick->node];
  const bool backward = tick->kind == XR_TICK_BACKWARD;
  if (backward && at == e->plan->backward_start) XR_TRY(e->backend->set_one(e, gradient_pointer(e, e->plan->loss)));
  if (e->options.poison) XR_TRY(poison_blocks(e, at, true));
  xr_run_function function = backward ? node->op->backward : node->op->forward;
  if (!function) return node->op->is_view ? XR_OK : xr_fail(XR_UNSUPPORTED, "%s (%s) cannot run", node->path, node->op->name);
  e->backend->range(e, node->path);
  xr_status status = function(node, &e->runs[at]);
  if (e->node_by_node && status == XR_OK) status = e->backend->node_end(e);
  if (!e->node_by_node) e->backend->range(e, ""); /* executors that take turns must not nest their ranges */
  if (status != XR_OK) return xr_fail_in(status, "%s (%s, %s)", node->path, node->op->name, backward ? "backward" : "forward");
  return XR_OK;
}

/* What dies with a tick is poisoned last: a value of a node that runs again for another one's sake may not outlive it. */
static xr_status end_tick(xr_executor *e, int at) { return e->options.poison ? poison_blocks(e, at, false) : XR_OK; }

xr_status xr_executor_run_tick(xr_executor *e, int at, xr_seed seed) {
  if (at == 0) XR_TRY(e->backend->place_inputs(e));
  XR_TRY(e->backend->set_scalars(e, seed, NULL));
  return xr_executor_queue_tick(e, at);
}

xr_status xr_executor_queue_tick(xr_executor *e, int at) {
  XR_TRY(run_tick(e, at));
  return end_tick(e, at);
}

int xr_executor_tick_count(const xr_executor *e) { return e->plan->tick_count; }

const xr_node *xr_executor_tick_node(const xr_executor *e, int tick, bool *backward) {
  *backward = e->plan->ticks[tick].kind == XR_TICK_BACKWARD;
  return e->plan->graph->nodes[e->plan->ticks[tick].node];
}

/* ---- not finite */
static int64_t count_nonfinite(const void *values, xr_dtype dtype, int64_t n) {
  int64_t bad = 0;
  for (int64_t i = 0; i < n; i++)
    bad += !isfinite(dtype == XR_BF16 ? xr_bf16_to_f32(((const xr_bf16 *)values)[i]) : ((const float *)values)[i]);
  return bad;
}

static xr_status expect_finite(const xr_executor *e, const xr_node *node, const xr_tensor *t, const void *values, bool gradient) {
  xr_dtype dtype = gradient && t->kind == XR_TENSOR_PARAMETER ? XR_F32 : t->dtype;
  if (!values || (dtype != XR_F32 && dtype != XR_BF16)) return XR_OK;
  const int64_t n = xr_elements(t->shape);
  const size_t bytes = (size_t)n * xr_dtype_bytes(dtype);
  void *copy = xr_block_alloc(bytes);
  if (!copy) return XR_NO_MEMORY;
  const xr_status status = xr_device_read(e->plan->options.backend, copy, values, bytes);
  const int64_t bad = status == XR_OK ? count_nonfinite(copy, dtype, n) : 0;
  xr_block_free(copy);
  if (status != XR_OK || !bad) return status;
  return xr_fail(XR_NOT_FINITE, "%s%s, made by %s (%s%s): %lld of %lld elements are not finite", gradient ? "gradient of " : "", t->name,
                 node->path, node->op->name, gradient ? ", backward" : "", (long long)bad, (long long)n);
}

static xr_status check_tick(const xr_executor *e, int at) {
  const xr_tick *tick = &e->plan->ticks[at];
  const xr_graph *g = e->plan->graph;
  const xr_node *node = g->nodes[tick->node];
  const xr_run *run = &e->runs[at];
  for (int j = 0; j < node->out_count && tick->kind != XR_TICK_BACKWARD; j++)
    if (!xr_bit(node->op->no_gradient_out, j)) XR_TRY(expect_finite(e, node, g->tensors[node->out[j]], run->out[j], false));
  for (int j = 0; j < node->in_count && tick->kind == XR_TICK_BACKWARD; j++)
    XR_TRY(expect_finite(e, node, g->tensors[node->in[j]], run->din[j], true));
  return XR_OK;
}

/* ---- sequences */
static xr_status run_ticks(xr_executor *e, int first, int end, bool check) {
  for (int at = first; at < end; at++) {
    XR_TRY(run_tick(e, at));
    if (check) XR_TRY(check_tick(e, at));
    XR_TRY(end_tick(e, at));
  }
  return XR_OK;
}

static xr_status zero_unreached_gradients(xr_executor *e) {
  const xr_parameters *parameters = e->plan->graph->parameters;
  float *gradient = xr_parameters_arrays(parameters).gradient;
  for (int i = 0; i < xr_parameter_count(parameters); i++) {
    const xr_parameter *p = xr_parameter_at(parameters, i);
    if (e->unreached[i]) XR_TRY(e->backend->fill(e, gradient + p->offset, 0, (size_t)xr_elements(p->shape) * sizeof *gradient));
  }
  return XR_OK;
}

static xr_status run_nodes(xr_executor *e, xr_run_sequence sequence, bool check) {
  const xr_plan *plan = e->plan;
  XR_TRY(run_ticks(e, 0, plan->backward_start, check));
  if (sequence == XR_RUN_FORWARD || plan->backward_start == plan->tick_count) return XR_OK;
  XR_TRY(zero_unreached_gradients(e));
  return run_ticks(e, plan->backward_start, plan->tick_count, check);
}

const xr_step_tail *xr_executor_tail(const xr_executor *e, xr_run_sequence sequence) {
  return sequence == XR_RUN_STEP ? e->options.tail : NULL;
}

xr_status xr_executor_sequence(xr_executor *e, xr_run_sequence sequence) {
  const xr_step_tail *tail = xr_executor_tail(e, sequence);
  XR_TRY(run_nodes(e, sequence, e->options.check_finite));
  if (!tail) return XR_OK;
  const float *loss = xr_executor_piece(e, e->plan->value[e->plan->loss]);
  e->backend->range(e, "update");
  const xr_status status = tail->run(tail->context, loss, e->plan->options.backend, e->runs[0].stream);
  e->backend->range(e, "");
  return status;
}

xr_status xr_executor_find_nonfinite(xr_executor *e, xr_seed seed) {
  const bool before = e->node_by_node;
  XR_TRY(xr_executor_wait(e));
  XR_TRY(e->backend->set_scalars(e, seed, NULL));
  e->node_by_node = true;
  xr_status status = run_nodes(e, XR_RUN_STEP, true);
  e->node_by_node = before;
  return status;
}

/* ---- on the plan's backend */
void *xr_executor_input(xr_executor *e, xr_var input) { return e->backend->input(e, input.id); }
xr_status xr_executor_upload(xr_executor *e) { return e->backend->upload(e); }
xr_status xr_executor_forward(xr_executor *e, xr_seed seed) { return e->backend->run(e, seed, XR_RUN_FORWARD); }
xr_status xr_executor_step(xr_executor *e, xr_seed seed) { return e->backend->run(e, seed, XR_RUN_STEP); }
xr_status xr_executor_wait(xr_executor *e) { return e->backend->wait(e); }
const void *xr_executor_value(const xr_executor *e, xr_var v) { return e->backend->value(e, v.id); }
