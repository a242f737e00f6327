/* layernorm, add_layernorm, l2_normalize */
#include <stdio.h>

#include "host/ops/ops_internal.h"
#include "kernels/norm/l2_normalize.h"
#include "kernels/norm/layernorm.h"

typedef struct {
  float eps;
} attributes;

/* ---- layernorm: in x, weight, bias; out y, statistics [2, rows] (mean, then rstd)
 * add_layernorm: in x, weight, bias, residual; out sum, y, statistics */
static bool has_residual(const xr_node *node) { return xr_input_count(node) == 4; }

static xr_layernorm arguments(const xr_node *node, const xr_run *run) {
  const attributes *a = xr_attributes(node);
  xr_shape shape = xr_input_shape(node, 0);
  const int y = has_residual(node) ? 1 : 0;
  xr_layernorm k = {.rows = xr_rows(shape), .cols = xr_last_dim(shape), .eps = a->eps, .dtype = xr_input_dtype(node, 0)};
  if (!run) return k;
  k.x = run->in[0];
  k.weight = run->in[1];
  k.bias = run->in[2];
  k.residual = y ? run->in[3] : NULL;
  k.sum = y ? run->out[0] : NULL;
  k.y = run->out[y];
  k.mean = run->out[y + 1];
  k.rstd = k.mean + k.rows;
  return k;
}

static xr_status layernorm_infer(xr_node *node) {
  const bool residual = has_residual(node);
  xr_shape shape = xr_input_shape(node, 0), cols = XR_SHAPE(xr_last_dim(shape));
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_input(node, 1, XR_F32, cols, "the weight"));
  XR_TRY(xr_expect_input(node, 2, XR_F32, cols, "the bias"));
  if (residual) XR_TRY(xr_expect_input(node, 3, xr_input_dtype(node, 0), shape, "the residual"));
  xr_set_output(node, 0, xr_input_dtype(node, 0), shape);
  if (residual) xr_set_output(node, 1, xr_input_dtype(node, 0), shape);
  xr_set_output(node, residual ? 2 : 1, XR_F32, XR_SHAPE(2, xr_rows(shape)));
  return XR_OK;
}

static size_t layernorm_workspace(const xr_node *node, xr_run_kind kind) {
  xr_layernorm k = arguments(node, NULL);
  return kind.backward ? xr_layernorm_workspace(&k) : 0;
}

static xr_status layernorm_forward(const xr_node *node, const xr_run *run) {
  xr_layernorm k = arguments(node, run);
  return XR_ON(run, xr_layernorm_forward, &k);
}

static void set_backward(xr_layernorm *k, const xr_run *run) {
  k->dweight = run->din[1];
  k->dbias = run->din[2];
  k->accumulate_dweight = xr_bit(run->accumulate, 1);
  k->accumulate_dbias = xr_bit(run->accumulate, 2);
  k->workspace = run->workspace;
}

static xr_status layernorm_backward(const xr_node *node, const xr_run *run) {
  xr_layernorm k = arguments(node, run);
  k.dy = run->dout[0];
  k.dx = run->din[0];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  set_backward(&k, run);
  return XR_ON(run, xr_layernorm_backward, &k);
}

static const xr_op layernorm_op = {.name = "layernorm",
                                   .infer = layernorm_infer,
                                   .keep_in = 1u << 0 | 1u << 1,
                                   .keep_out = 1u << 1,
                                   .no_gradient_out = 1u << 1,
                                   .workspace = layernorm_workspace,
                                   .forward = layernorm_forward,
                                   .backward = layernorm_backward};

/* x (0) or the residual (3), whichever gradient is assigned; -1: both are added to or not needed, the value needs a place of its own. */
static int assigned_input(const xr_node *node, uint32_t accumulate) {
  for (int i = 0; i <= 3; i += 3)
    if (xr_input_needs_gradient(node, i) && !xr_bit(accumulate, i)) return i;
  return -1;
}

/* The gradient of the sum goes to x and to the residual alike: computed once, over dsum where that memory is free. */
static xr_status add_layernorm_backward(const xr_node *node, const xr_run *run) {
  xr_layernorm k = arguments(node, run);
  const int64_t count = k.rows * k.cols;
  const int target = assigned_input(node, run->accumulate);
  k.x = run->out[0];
  k.residual = NULL;
  k.dy = run->dout[1];
  k.dsum = run->dout[0];
  set_backward(&k, run);
  k.dx = target >= 0 ? run->din[target] : (char *)run->workspace + xr_layernorm_workspace(&k);
  XR_TRY(XR_ON(run, xr_layernorm_backward, &k));
  XR_TRY(xr_pass_on(run, 0, k.dx, k.dtype, count));
  return xr_pass_on(run, 3, k.dx, k.dtype, count);
}

static size_t add_layernorm_workspace(const xr_node *node, xr_run_kind kind) {
  xr_layernorm k = arguments(node, NULL);
  const bool apart = assigned_input(node, kind.accumulate) < 0;
  return kind.backward ? xr_layernorm_workspace(&k) + (apart ? (size_t)(k.rows * k.cols) * xr_dtype_bytes(k.dtype) : 0) : 0;
}

static const xr_op add_layernorm_op = {.name = "add_layernorm",
                                       .infer = layernorm_infer,
                                       .keep_in = 1u << 1,
                                       .keep_out = 1u << 0 | 1u << 2,
                                       .no_gradient_out = 1u << 2,
                                       .in_place = true,
                                       .pass_gradient = 1u << 0 | 1u << 3,
                                       .pass_modifies = true,
                                       .workspace = add_layernorm_workspace,
                                       .forward = layernorm_forward,
                                       .backward = add_layernorm_backward};

static void parameters(xr_graph *g, xr_var x, const char *name, xr_var *weight, xr_var *bias) {
  const int64_t cols = xr_last_dim(xr_shape_of(g, x));
  xr_scope_begin(g, "%s", name);
  *weight = xr_param(g, "weight", XR_SHAPE(cols), (xr_init){XR_INIT_ONE, 1});
  *bias = xr_param(g, "bias", XR_SHAPE(cols), (xr_init){XR_INIT_ZERO, 0});
  xr_scope_end(g);
}

xr_var xr_layernorm_of(xr_graph *g, xr_var x, const char *name, float eps) {
  xr_var in[3] = {x}, out[2];
  if (!x.id) return x;
  parameters(g, x, name, &in[1], &in[2]);
  xr_apply(g, &layernorm_op, name, &(attributes){eps}, sizeof(attributes), 3, in, 2, out);
  return out[0];
}

xr_var xr_add_layernorm(xr_graph *g, xr_var x, xr_var residual, const char *name, float eps, xr_var *sum) {
  xr_var in[4] = {x, {0}, {0}, residual}, out[3] = {{0}};
  if (x.id) {
    parameters(g, x, name, &in[1], &in[2]);
    xr_apply(g, &add_layernorm_op, name, &(attributes){eps}, sizeof(attributes), 4, in, 3, out);
  }
  *sum = out[0];
  return out[1];
}

/* ---- l2_normalize: in x; out unit rows f32, inverse norms */
static xr_status l2_infer(xr_node *node) {
  xr_shape shape = xr_input_shape(node, 0);
  XR_TRY(xr_expect_float(node, 0));
  xr_set_output(node, 0, XR_F32, shape);
  xr_set_output(node, 1, XR_F32, XR_SHAPE(xr_rows(shape)));
  return XR_OK;
}

static xr_l2_normalize l2_arguments(const xr_node *node, const xr_run *run) {
  xr_shape shape = xr_input_shape(node, 0);
  return (xr_l2_normalize){.rows = xr_rows(shape),
                           .cols = xr_last_dim(shape),
                           .x_dtype = xr_input_dtype(node, 0),
                           .y_dtype = XR_F32,
                           .x = run->in[0],
                           .y = run->out[0],
                           .inverse_norm = run->out[1],
                           .dy = run->dout[0],
                           .dx = run->din[0],
                           .accumulate_dx = xr_bit(run->accumulate, 0)};
}

static xr_status l2_forward(const xr_node *node, const xr_run *run) {
  xr_l2_normalize k = l2_arguments(node, run);
  return XR_ON(run, xr_l2_normalize_forward, &k);
}

static xr_status l2_backward(const xr_node *node, const xr_run *run) {
  xr_l2_normalize k = l2_arguments(node, run);
  return XR_ON(run, xr_l2_normalize_backward, &k);
}

static const xr_op l2_op = {.name = "l2_normalize",
                            .infer = l2_infer,
                            .keep_in = 1u << 0,
                            .keep_out = 1u << 1,
                            .no_gradient_out = 1u << 1,
                            .forward = l2_forward,
                            .backward = l2_backward};

xr_var xr_l2_normalize_rows(xr_graph *g, const char *label, xr_var x) {
  xr_var out[2];
  xr_apply(g, &l2_op, label, NULL, 0, 1, &x, 2, out);
  return out[0];
}
