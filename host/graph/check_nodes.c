#include "host/graph/check_nodes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/graph/executor_internal.h"

static bool is_float(xr_dtype dtype) { return dtype == XR_F32 || dtype == XR_BF16; }

typedef struct {
  xr_executor *e;
  const xr_graph *g;
  const xr_node *node;
  xr_run *run;
} side;

static side side_at(xr_executor *e, int tick) {
  const xr_graph *g = e->plan->graph;
  return (side){.e = e, .g = g, .node = g->nodes[e->plan->ticks[tick].node], .run = &e->runs[tick]};
}

static const xr_tensor *in_tensor(const side *s, int i) { return s->g->tensors[s->node->in[i]]; }
static const xr_tensor *out_tensor(const side *s, int i) { return s->g->tensors[s->node->out[i]]; }
static bool is_state(const side *s, const xr_tensor *t) {
  return t->kind == XR_TENSOR_PARAMETER && xr_parameter_at(s->g->parameters, t->parameter)->kind.state;
}
static xr_dtype gradient_dtype(const xr_tensor *t) { return t->kind == XR_TENSOR_PARAMETER ? XR_F32 : t->dtype; }

/* ---- values on their way between backends and dtypes. Float values travel as f32; others as they are. */
/* A fresh block with `count` elements that lie at `from` on the side's backend; NULL and a message on failure. */
static void *take(const side *s, const void *from, xr_dtype dtype, int64_t count) {
  void *raw = xr_block_alloc((size_t)count * xr_dtype_bytes(dtype));
  if (!raw) return NULL;
  if (xr_device_read(s->e->plan->options.backend, raw, from, (size_t)count * xr_dtype_bytes(dtype)) != XR_OK) {
    xr_block_free(raw);
    return NULL;
  }
  if (dtype != XR_BF16) return raw;
  float *wide = xr_block_alloc((size_t)count * sizeof *wide);
  for (int64_t i = 0; wide && i < count; i++) wide[i] = xr_bf16_to_f32(((const xr_bf16 *)raw)[i]);
  xr_block_free(raw);
  return wide;
}

/* The other way. */
static xr_status put(const side *s, void *to, xr_dtype dtype, const void *values, int64_t count) {
  const size_t bytes = (size_t)count * xr_dtype_bytes(dtype);
  if (dtype != XR_BF16) return xr_device_write(s->e->plan->options.backend, to, values, bytes);
  xr_bf16 *narrow = xr_block_alloc(bytes);
  if (!narrow) return XR_NO_MEMORY;
  for (int64_t i = 0; i < count; i++) narrow[i] = xr_f32_to_bf16(((const float *)values)[i]);
  xr_status status = xr_device_write(s->e->plan->options.backend, to, narrow, bytes);
  xr_block_free(narrow);
  return status;
}

static xr_status move(const side *a, const void *from, xr_dtype from_dtype, const side *b, void *to, xr_dtype to_dtype, int64_t count) {
  void *values = take(a, from, from_dtype, count);
  if (!values) return XR_DEVICE;
  xr_status status = put(b, to, to_dtype, values, count);
  xr_block_free(values);
  return status;
}

static double relative_error(const float *a, const float *b, int64_t count) {
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < count; i++) {
    double x = (double)a[i], y = (double)b[i];
    difference += (x - y) * (x - y);
    norm += y * y;
  }
  return norm > 0 ? sqrt(difference / norm) : difference > 0 ? INFINITY : 0;
}

/* What the tick reads, from the first run into the second. */
static xr_status hand_over(const side *a, const side *b, bool backward) {
  for (int j = 0; j < a->node->in_count; j++) {
    const xr_tensor *x = in_tensor(a, j), *y = in_tensor(b, j);
    if (a->node->in[j] && x->kind == XR_TENSOR_ACTIVATION)
      XR_TRY(move(a, a->run->in[j], x->dtype, b, (void *)(uintptr_t)b->run->in[j], y->dtype, xr_elements(x->shape)));
  }
  for (int j = 0; j < a->node->out_count && backward; j++) {
    const xr_tensor *x = out_tensor(a, j), *y = out_tensor(b, j);
    const int64_t n = xr_elements(x->shape);
    if (xr_bit(a->node->keep_out, j)) XR_TRY(move(a, a->run->out[j], x->dtype, b, b->run->out[j], y->dtype, n));
    if (a->run->dout[j]) XR_TRY(move(a, a->run->dout[j], x->dtype, b, b->run->dout[j], y->dtype, n));
  }
  return XR_OK;
}

/* ---- judgement */
typedef struct {
  double limit;
  xr_node_difference *worst;
  int count;
} verdict;

static void insert(const verdict *j, xr_node_difference d) {
  for (int i = 0; i < j->count; i++) {
    if (j->worst[i].path && j->worst[i].error >= d.error) continue;
    memmove(j->worst + i + 1, j->worst + i, (size_t)(j->count - i - 1) * sizeof *j->worst);
    j->worst[i] = d;
    return;
  }
}

/* The first run's result against `values` of the second, on its backend. */
static xr_status compare(const verdict *j, const side *b, bool backward, int slot, const float *first, const void *values, xr_dtype dtype,
                         int64_t count) {
  float *second = first ? take(b, values, dtype, count) : NULL;
  if (!second) return XR_DEVICE;
  const double error = relative_error(first, second, count);
  xr_block_free(second);
  insert(j, (xr_node_difference){.path = b->node->path, .op = b->node->op->name, .backward = backward, .slot = slot, .error = error});
  if (error <= j->limit) return XR_OK;
  return xr_fail(isfinite(error) ? XR_BAD_ARGUMENT : XR_NOT_FINITE,
                 "%s (%s, %s %d): the two runs differ by %.3g of the result's size; allowed is %.3g", b->node->path, b->node->op->name,
                 backward ? "gradient of input" : "output", slot, error, j->limit);
}

/* Runs a forward tick on both sides. State that the node changes is kept before the first run and given to the second. */
static xr_status forward_both(const side *a, const side *b, int tick, xr_seed seed, float **state) {
  XR_TRY(hand_over(a, b, false));
  for (int j = 0; j < a->node->in_count; j++) {
    const xr_tensor *x = in_tensor(a, j);
    if (!a->node->in[j] || !is_state(a, x)) continue;
    state[j] = take(a, a->run->in[j], x->dtype, xr_elements(x->shape));
    if (!state[j]) return XR_DEVICE;
  }
  XR_TRY(xr_executor_run_tick(a->e, tick, seed));
  for (int j = 0; j < a->node->in_count; j++)
    if (state[j]) XR_TRY(put(b, (void *)(uintptr_t)b->run->in[j], XR_F32, state[j], xr_elements(in_tensor(a, j)->shape)));
  return xr_executor_run_tick(b->e, tick, seed);
}

static xr_status forward_tick(xr_executor *first, xr_executor *second, int tick, xr_seed seed, const verdict *judge) {
  side a = side_at(first, tick), b = side_at(second, tick);
  float *state[XR_MAX_IN] = {0};
  const xr_status ran = forward_both(&a, &b, tick, seed, state);
  for (int j = 0; j < XR_MAX_IN; j++) xr_block_free(state[j]);
  XR_TRY(ran);
  for (int j = 0; j < a.node->out_count; j++) {
    const xr_tensor *x = out_tensor(&a, j), *y = out_tensor(&b, j);
    if (!is_float(x->dtype)) continue;
    const int64_t n = xr_elements(x->shape);
    float *result = take(&a, a.run->out[j], x->dtype, n);
    xr_status status = compare(judge, &b, false, j, result, b.run->out[j], y->dtype, n);
    xr_block_free(result);
    XR_TRY(status);
  }
  return XR_OK;
}

/* The gradients that a tick writes, as f32 in plain memory; NULL where it writes none. */
static xr_status take_gradients(const side *s, float **gradient) {
  for (int j = 0; j < s->node->in_count; j++) {
    if (!s->run->din[j]) continue;
    const xr_tensor *x = in_tensor(s, j);
    gradient[j] = take(s, s->run->din[j], gradient_dtype(x), xr_elements(x->shape));
    if (!gradient[j]) return XR_DEVICE;
  }
  return XR_OK;
}

static xr_status judge_gradients(const verdict *judge, const side *a, const side *b, float *const *result) {
  for (int j = 0; j < a->node->in_count; j++) {
    if (!a->run->din[j]) continue;
    const xr_tensor *x = in_tensor(a, j), *y = in_tensor(b, j);
    const int64_t n = xr_elements(y->shape);
    XR_TRY(compare(judge, b, true, j, result[j], b->run->din[j], gradient_dtype(y), n));
    if (x->kind == XR_TENSOR_PARAMETER) XR_TRY(put(a, a->run->din[j], XR_F32, result[j], n));
  }
  return XR_OK;
}

/* Both runs may write the one gradient array of the same parameters, and a node may add to what is there or overwrite what it read: so what
 * stood before is kept, the first run's results are moved aside, and what stood before is given to the second. */
static xr_status backward_between(const verdict *judge, const side *a, const side *b, int tick, xr_seed seed, float **before,
                                  float **result) {
  XR_TRY(hand_over(a, b, true));
  XR_TRY(take_gradients(a, before));
  XR_TRY(xr_executor_run_tick(a->e, tick, seed));
  XR_TRY(take_gradients(a, result));
  for (int j = 0; j < a->node->in_count; j++) {
    const xr_tensor *y = in_tensor(b, j);
    if (a->run->din[j] && xr_bit(a->run->accumulate, j))
      XR_TRY(put(b, b->run->din[j], gradient_dtype(y), before[j], xr_elements(y->shape)));
  }
  XR_TRY(xr_executor_run_tick(b->e, tick, seed));
  return judge_gradients(judge, a, b, result);
}

static xr_status backward_tick(xr_executor *first, xr_executor *second, int tick, xr_seed seed, const verdict *judge) {
  side a = side_at(first, tick), b = side_at(second, tick);
  float *before[XR_MAX_IN] = {0}, *result[XR_MAX_IN] = {0};
  xr_status status = backward_between(judge, &a, &b, tick, seed, before, result);
  for (int j = 0; j < XR_MAX_IN; j++) {
    xr_block_free(before[j]);
    xr_block_free(result[j]);
  }
  return status;
}

xr_status xr_check_nodes(xr_executor *first, xr_executor *second, xr_seed seed, double limit, xr_node_difference *worst, int count) {
  const verdict judge = {.limit = limit, .worst = worst, .count = count};
  memset(worst, 0, (size_t)count * sizeof *worst);
  bool match = first->plan->tick_count == second->plan->tick_count && first->plan->options.no_reuse && second->plan->options.no_reuse;
  for (int tick = 0; match && tick < first->plan->tick_count; tick++)
    match = side_at(first, tick).node->op == side_at(second, tick).node->op;
  if (!match)
    return xr_fail(XR_BAD_ARGUMENT, "node-by-node comparison needs two plans of the same recording, made without reuse of memory");
  for (int tick = 0; tick < first->plan->tick_count; tick++) {
    bool backward = first->plan->ticks[tick].kind == XR_TICK_BACKWARD;
    XR_TRY((backward ? backward_tick : forward_tick)(first, second, tick, seed, &judge));
  }
  return XR_OK;
}
