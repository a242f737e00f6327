/* add_broadcast, layer_scale, pair_features, gated_mix */
#include "host/ops/ops_internal.h"
#include "kernels/elementwise/add_broadcast.h"
#include "kernels/elementwise/gated_mix.h"
#include "kernels/elementwise/layer_scale.h"
#include "kernels/elementwise/pair_features.h"

/* Inputs 0 .. count-1 are of one shape and dtype. */
static xr_status expect_alike(const xr_node *node, int count, const char *const *what) {
  XR_TRY(xr_expect_float(node, 0));
  for (int i = 0; i < count; i++) XR_TRY(xr_expect_input(node, i, xr_input_dtype(node, 0), xr_input_shape(node, 0), what[i]));
  return XR_OK;
}

/* ---- add_broadcast: in x [.., suffix], v [suffix] */
static xr_status broadcast_infer(xr_node *node) {
  const xr_shape x = xr_input_shape(node, 0), v = xr_input_shape(node, 1);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_float(node, 1));
  bool suffix = v.rank >= 1 && v.rank <= x.rank;
  for (int i = 1; suffix && i <= v.rank; i++) suffix = v.dim[v.rank - i] == x.dim[x.rank - i];
  if (!suffix) return xr_fail(XR_BAD_SHAPE, "%s is not the end of %s", xr_shape_to_text(v).text, xr_shape_to_text(x).text);
  xr_set_output(node, 0, xr_input_dtype(node, 0), x);
  return XR_OK;
}

static xr_add_broadcast_args broadcast_arguments(const xr_node *node, const xr_run *run) {
  const int64_t cols = xr_elements(xr_input_shape(node, 1));
  xr_add_broadcast_args k = {.rows = xr_elements(xr_input_shape(node, 0)) / cols,
                             .cols = cols,
                             .dtype = xr_input_dtype(node, 0),
                             .v_dtype = xr_input_dtype(node, 1),
                             .dx_dtype = xr_input_gradient_dtype(node, 0),
                             .dv_dtype = xr_input_gradient_dtype(node, 1)};
  if (!run) return k;
  k.x = run->in[0];
  k.v = run->in[1];
  k.y = run->out[0];
  k.dy = run->dout[0];
  k.dx = run->din[0] == run->dout[0] ? NULL : run->din[0];
  k.dv = run->din[1];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  k.accumulate_dv = xr_bit(run->accumulate, 1);
  k.workspace = run->workspace;
  return k;
}

static size_t broadcast_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_add_broadcast_args k = broadcast_arguments(node, NULL);
  return kind.backward && xr_input_needs_gradient(node, 1) ? xr_add_broadcast_workspace(&k) : 0;
}

static xr_status broadcast_forward(const xr_node *node, const xr_run *run) {
  const xr_add_broadcast_args k = broadcast_arguments(node, run);
  return XR_ON(run, xr_add_broadcast_forward, &k);
}

static xr_status broadcast_backward(const xr_node *node, const xr_run *run) {
  const xr_add_broadcast_args k = broadcast_arguments(node, run);
  return XR_ON(run, xr_add_broadcast_backward, &k);
}

static const xr_op broadcast_op = {.name = "add_broadcast",
                                   .infer = broadcast_infer,
                                   .f32_gradient = 1u << 0 | 1u << 1,
                                   .in_place = true,
                                   .pass_gradient = 1u,
                                   .workspace = broadcast_workspace,
                                   .forward = broadcast_forward,
                                   .backward = broadcast_backward};

xr_var xr_add_broadcast(xr_graph *g, const char *label, xr_var x, xr_var v) {
  return xr_apply_one(g, &broadcast_op, label, NULL, 0, 2, (xr_var[]){x, v});
}

/* ---- layer_scale: in x, y [.., D], gamma [D] */
static xr_status layer_scale_infer(xr_node *node) {
  XR_TRY(expect_alike(node, 2, (const char *[]){"the residual", "the branch"}));
  XR_TRY(xr_expect_input(node, 2, XR_F32, XR_SHAPE(xr_last_dim(xr_input_shape(node, 0))), "gamma"));
  xr_set_output(node, 0, xr_input_dtype(node, 0), xr_input_shape(node, 0));
  xr_set_keep(node, (xr_input_needs_gradient(node, 2) ? 1u << 1 : 0) | (xr_input_needs_gradient(node, 1) ? 1u << 2 : 0), 0);
  return XR_OK;
}

static xr_layer_scale_args layer_scale_arguments(const xr_node *node, const xr_run *run) {
  const xr_shape shape = xr_input_shape(node, 0);
  xr_layer_scale_args k = {.rows = xr_rows(shape), .cols = xr_last_dim(shape), .dtype = xr_input_dtype(node, 0)};
  if (!run) return k;
  k.x = run->in[0];
  k.y = run->in[1];
  k.gamma = run->in[2];
  k.out = run->out[0];
  k.dout = run->dout[0];
  k.dx = run->din[0] == run->dout[0] ? NULL : run->din[0];
  k.dy = run->din[1];
  k.dgamma = run->din[2];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  k.accumulate_dy = xr_bit(run->accumulate, 1);
  k.accumulate_dgamma = xr_bit(run->accumulate, 2);
  k.workspace = run->workspace;
  return k;
}

static size_t layer_scale_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_layer_scale_args k = layer_scale_arguments(node, NULL);
  return kind.backward && xr_input_needs_gradient(node, 2) ? xr_layer_scale_workspace(&k) : 0;
}

static xr_status layer_scale_forward(const xr_node *node, const xr_run *run) {
  const xr_layer_scale_args k = layer_scale_arguments(node, run);
  return XR_ON(run, xr_layer_scale_forward, &k);
}

static xr_status layer_scale_backward(const xr_node *node, const xr_run *run) {
  const xr_layer_scale_args k = layer_scale_arguments(node, run);
  return XR_ON(run, xr_layer_scale_backward, &k);
}

static const xr_op layer_scale_op = {.name = "layer_scale",
                                     .infer = layer_scale_infer,
                                     .in_place = true,
                                     .pass_gradient = 1u,
                                     .workspace = layer_scale_workspace,
                                     .forward = layer_scale_forward,
                                     .backward = layer_scale_backward};

xr_var xr_layer_scale(xr_graph *g, const char *label, xr_var x, xr_var y, xr_var gamma) {
  return xr_apply_one(g, &layer_scale_op, label, NULL, 0, 3, (xr_var[]){x, y, gamma});
}

/* ---- pair_features: in v, t [.., D] */
static xr_status pair_infer(xr_node *node) {
  xr_shape shape = xr_input_shape(node, 0);
  XR_TRY(expect_alike(node, 2, (const char *[]){"the first vector", "the second vector"}));
  if (shape.rank < 1) return xr_fail(XR_BAD_SHAPE, "the vectors have no dimension");
  shape.dim[shape.rank - 1] *= 4;
  xr_set_output(node, 0, xr_input_dtype(node, 0), shape);
  return XR_OK;
}

static xr_pair_features_args pair_arguments(const xr_node *node, const xr_run *run) {
  const xr_shape shape = xr_input_shape(node, 0);
  return (xr_pair_features_args){.rows = xr_rows(shape),
                                 .cols = xr_last_dim(shape),
                                 .dtype = xr_input_dtype(node, 0),
                                 .v = run->in[0],
                                 .t = run->in[1],
                                 .out = run->out[0],
                                 .dout = run->dout[0],
                                 .dv = run->din[0],
                                 .dt = run->din[1],
                                 .accumulate_dv = xr_bit(run->accumulate, 0),
                                 .accumulate_dt = xr_bit(run->accumulate, 1)};
}

static xr_status pair_forward(const xr_node *node, const xr_run *run) {
  const xr_pair_features_args k = pair_arguments(node, run);
  return XR_ON(run, xr_pair_features_forward, &k);
}

static xr_status pair_backward(const xr_node *node, const xr_run *run) {
  const xr_pair_features_args k = pair_arguments(node, run);
  return XR_ON(run, xr_pair_features_backward, &k);
}

static const xr_op pair_op = {
    .name = "pair_features", .infer = pair_infer, .keep_in = 1u << 0 | 1u << 1, .forward = pair_forward, .backward = pair_backward};

xr_var xr_pair_features(xr_graph *g, const char *label, xr_var v, xr_var t) {
  return xr_apply_one(g, &pair_op, label, NULL, 0, 2, (xr_var[]){v, t});
}

/* ---- gated_mix: in z, a, b */
static xr_status mix_infer(xr_node *node) {
  XR_TRY(expect_alike(node, 3, (const char *[]){"the gate", "the first tensor", "the second tensor"}));
  xr_set_output(node, 0, xr_input_dtype(node, 0), xr_input_shape(node, 0));
  return XR_OK;
}

static xr_gated_mix_args mix_arguments(const xr_node *node, const xr_run *run) {
  return (xr_gated_mix_args){.count = xr_elements(xr_input_shape(node, 0)),
                             .dtype = xr_input_dtype(node, 0),
                             .z = run->in[0],
                             .a = run->in[1],
                             .b = run->in[2],
                             .out = run->out[0],
                             .dout = run->dout[0],
                             .dz = run->din[0],
                             .da = run->din[1],
                             .db = run->din[2],
                             .accumulate_dz = xr_bit(run->accumulate, 0),
                             .accumulate_da = xr_bit(run->accumulate, 1),
                             .accumulate_db = xr_bit(run->accumulate, 2)};
}

static xr_status mix_forward(const xr_node *node, const xr_run *run) {
  const xr_gated_mix_args k = mix_arguments(node, run);
  return XR_ON(run, xr_gated_mix_forward, &k);
}

static xr_status mix_backward(const xr_node *node, const xr_run *run) {
  const xr_gated_mix_args k = mix_arguments(node, run);
  return XR_ON(run, xr_gated_mix_backward, &k);
}

/* The kernel reads dout before it writes, so one gradient, that of the gate, may be made over it. */
static const xr_op mix_op = {.name = "gated_mix",
                             .infer = mix_infer,
                             .keep_in = 1u << 0 | 1u << 1 | 1u << 2,
                             .in_place = true,
                             .pass_gradient = 1u << 0,
                             .pass_modifies = true,
                             .forward = mix_forward,
                             .backward = mix_backward};

xr_var xr_gated_mix(xr_graph *g, const char *label, xr_var z, xr_var a, xr_var b) {
  return xr_apply_one(g, &mix_op, label, NULL, 0, 3, (xr_var[]){z, a, b});
}
