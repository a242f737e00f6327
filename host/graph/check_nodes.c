#include "host/graph/check_nodes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/graph/executor_internal.h"

/* `count` elements from one float dtype to another; other dtypes are copied. */
static void convert(void *to, xr_dtype to_dtype, const void *from, xr_dtype from_dtype, int64_t count) {
  if (to_dtype == from_dtype) {
    memmove(to, from, (size_t)count * xr_dtype_bytes(to_dtype));
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    if (to_dtype == XR_F32)
      ((float *)to)[i] = xr_bf16_to_f32(((const xr_bf16 *)from)[i]);
    else
      ((xr_bf16 *)to)[i] = xr_f32_to_bf16(((const float *)from)[i]);
  }
}

static double at(const void *values, xr_dtype dtype, int64_t i) {
  return dtype == XR_BF16 ? (double)xr_bf16_to_f32(((const xr_bf16 *)values)[i]) : (double)((const float *)values)[i];
}

static double relative_error(const void *a, xr_dtype a_dtype, const void *b, xr_dtype b_dtype, int64_t count) {
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < count; i++) {
    double x = at(a, a_dtype, i), y = at(b, b_dtype, i);
    difference += (x - y) * (x - y);
    norm += y * y;
  }
  return norm > 0 ? sqrt(difference / norm) : difference > 0 ? INFINITY : 0;
}

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
static xr_dtype gradient_dtype(const xr_tensor *t) { return t->kind == XR_TENSOR_PARAMETER ? XR_F32 : t->dtype; }

/* What the tick reads, from the first run into the second. */
static void hand_over(const side *a, const side *b, bool backward) {
  for (int j = 0; j < a->node->in_count; j++) {
    const xr_tensor *x = in_tensor(a, j), *y = in_tensor(b, j);
    if (a->node->in[j] && x->kind == XR_TENSOR_ACTIVATION)
      convert((void *)b->run->in[j], y->dtype, a->run->in[j], x->dtype, xr_elements(x->shape));
  }
  for (int j = 0; j < a->node->out_count && backward; j++) {
    const xr_tensor *x = out_tensor(a, j), *y = out_tensor(b, j);
    if (xr_bit(a->node->keep_out, j)) convert(b->run->out[j], y->dtype, a->run->out[j], x->dtype, xr_elements(x->shape));
    if (a->run->dout[j]) convert(b->run->dout[j], y->dtype, a->run->dout[j], x->dtype, xr_elements(x->shape));
  }
}

static void insert(xr_node_difference *worst, int count, xr_node_difference d) {
  for (int i = 0; i < count; i++) {
    if (worst[i].path && worst[i].error >= d.error) continue;
    memmove(worst + i + 1, worst + i, (size_t)(count - i - 1) * sizeof *worst);
    worst[i] = d;
    return;
  }
}

static xr_status judge(const side *s, bool backward, int slot, double error, double limit, xr_node_difference *worst, int count) {
  insert(worst, count,
         (xr_node_difference){.path = s->node->path, .op = s->node->op->name, .backward = backward, .slot = slot, .error = error});
  if (error <= limit) return XR_OK;
  return xr_fail(isfinite(error) ? XR_BAD_ARGUMENT : XR_NOT_FINITE,
                 "%s (%s, %s %d): the two runs differ by %.3g of the result's size; allowed is %.3g", s->node->path, s->node->op->name,
                 backward ? "gradient of input" : "output", slot, error, limit);
}

static xr_status forward_tick(xr_executor *first, xr_executor *second, int tick, xr_seed seed, double limit, xr_node_difference *worst,
                              int count) {
  side a = side_at(first, tick), b = side_at(second, tick);
  hand_over(&a, &b, false);
  XR_TRY(xr_executor_run_tick(first, tick, seed));
  XR_TRY(xr_executor_run_tick(second, tick, seed));
  for (int j = 0; j < a.node->out_count; j++) {
    const xr_tensor *x = out_tensor(&a, j), *y = out_tensor(&b, j);
    if (!is_float(x->dtype)) continue;
    XR_TRY(
        judge(&a, false, j, relative_error(a.run->out[j], x->dtype, b.run->out[j], y->dtype, xr_elements(x->shape)), limit, worst, count));
  }
  return XR_OK;
}

/* Both runs write the parameters' one gradient array, and a node may add to what is there or overwrite what it read: so what stood before
 * is kept, the first run's results are moved aside, and what stood before is restored for the second. */
static xr_status backward_tick(xr_executor *first, xr_executor *second, int tick, xr_seed seed, double limit, xr_node_difference *worst,
                               int count) {
  side a = side_at(first, tick), b = side_at(second, tick);
  float *before[XR_MAX_IN] = {0}, *result[XR_MAX_IN] = {0};
  xr_status status = XR_OK;
  hand_over(&a, &b, true);
  for (int j = 0; j < a.node->in_count && status == XR_OK; j++) {
    if (!a.run->din[j]) continue;
    const xr_tensor *x = in_tensor(&a, j);
    size_t bytes = (size_t)xr_elements(x->shape) * sizeof(float);
    before[j] = xr_block_alloc(bytes);
    result[j] = xr_block_alloc(bytes);
    if (!before[j] || !result[j])
      status = XR_NO_MEMORY;
    else
      convert(before[j], XR_F32, a.run->din[j], gradient_dtype(x), xr_elements(x->shape));
  }
  if (status == XR_OK) status = xr_executor_run_tick(first, tick, seed);
  for (int j = 0; j < a.node->in_count && status == XR_OK; j++) {
    if (!a.run->din[j]) continue;
    const xr_tensor *x = in_tensor(&a, j), *y = in_tensor(&b, j);
    convert(result[j], XR_F32, a.run->din[j], gradient_dtype(x), xr_elements(x->shape));
    if (xr_bit(a.run->accumulate, j)) convert(b.run->din[j], gradient_dtype(y), before[j], XR_F32, xr_elements(y->shape));
  }
  if (status == XR_OK) status = xr_executor_run_tick(second, tick, seed);
  for (int j = 0; j < a.node->in_count; j++) {
    if (status == XR_OK && a.run->din[j]) {
      const xr_tensor *y = in_tensor(&b, j);
      int64_t n = xr_elements(y->shape);
      status = judge(&a, true, j, relative_error(result[j], XR_F32, b.run->din[j], gradient_dtype(y), n), limit, worst, count);
      if (in_tensor(&a, j)->kind == XR_TENSOR_PARAMETER) memcpy(a.run->din[j], result[j], (size_t)n * sizeof(float));
    }
    xr_block_free(before[j]);
    xr_block_free(result[j]);
  }
  return status;
}

xr_status xr_check_nodes(xr_executor *first, xr_executor *second, xr_seed seed, double limit, xr_node_difference *worst, int count) {
  memset(worst, 0, (size_t)count * sizeof *worst);
  bool match = first->plan->tick_count == second->plan->tick_count && first->plan->options.no_reuse && second->plan->options.no_reuse;
  for (int tick = 0; match && tick < first->plan->tick_count; tick++)
    match = side_at(first, tick).node->op == side_at(second, tick).node->op;
  if (!match)
    return xr_fail(XR_BAD_ARGUMENT, "node-by-node comparison needs two plans of the same recording, made without reuse of memory");
  for (int tick = 0; tick < first->plan->tick_count; tick++) {
    bool backward = first->plan->ticks[tick].kind == XR_TICK_BACKWARD;
    XR_TRY((backward ? backward_tick : forward_tick)(first, second, tick, seed, limit, worst, count));
  }
  return XR_OK;
}
