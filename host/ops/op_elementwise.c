/* add, scale, activation, dropout, cast */
#include "host/ops/ops_internal.h"
#include "kernels/elementwise/add.h"
#include "kernels/elementwise/cast.h"
#include "kernels/elementwise/dropout.h"
#include "kernels/elementwise/scale.h"

static int64_t count_of(const xr_node *node) { return xr_elements(xr_input_shape(node, 0)); }

/* ---- add */
static xr_status add_infer(xr_node *node) {
  XR_TRY(xr_infer_like_input(node));
  return xr_expect_input(node, 1, xr_input_dtype(node, 0), xr_input_shape(node, 0), "the second summand");
}

static xr_status add_forward(const xr_node *node, const xr_run *run) {
  xr_add k = {
      .count = count_of(node), .dtype = xr_input_dtype(node, 0), .alpha = 1, .beta = 1, .a = run->in[0], .b = run->in[1], .y = run->out[0]};
  return XR_ON(run, xr_add_forward, &k);
}

static xr_status add_backward(const xr_node *node, const xr_run *run) {
  for (int i = 0; i < 2; i++) XR_TRY(xr_pass_on(run, i, run->dout[0], xr_input_dtype(node, i), count_of(node)));
  return XR_OK;
}

static const xr_op add_op = {
    .name = "add", .infer = add_infer, .in_place = true, .pass_gradient = 3u, .forward = add_forward, .backward = add_backward};

xr_var xr_add_of(xr_graph *g, const char *label, xr_var a, xr_var b) {
  return xr_apply_one(g, &add_op, label, NULL, 0, 2, (xr_var[]){a, b});
}

/* ---- scale */
typedef struct {
  float factor;
} scale_attributes;

static xr_scale scale_arguments(const xr_node *node, const xr_run *run) {
  const scale_attributes *a = xr_attributes(node);
  return (xr_scale){.count = count_of(node),
                    .dtype = xr_input_dtype(node, 0),
                    .alpha = a->factor,
                    .x = run->in[0],
                    .y = run->out[0],
                    .dy = run->dout[0],
                    .dx = run->din[0],
                    .accumulate_dx = xr_bit(run->accumulate, 0)};
}

static xr_status scale_forward(const xr_node *node, const xr_run *run) {
  xr_scale k = scale_arguments(node, run);
  return XR_ON(run, xr_scale_forward, &k);
}

static xr_status scale_backward(const xr_node *node, const xr_run *run) {
  xr_scale k = scale_arguments(node, run);
  return XR_ON(run, xr_scale_backward, &k);
}

static const xr_op scale_op = {.name = "scale",
                               .infer = xr_infer_like_input,
                               .in_place = true,
                               .pass_gradient = 1u,
                               .pass_modifies = true,
                               .forward = scale_forward,
                               .backward = scale_backward};

xr_var xr_scale_by(xr_graph *g, const char *label, xr_var x, float factor) {
  return xr_apply_one(g, &scale_op, label, &(scale_attributes){factor}, sizeof(scale_attributes), 1, &x);
}

/* ---- activation */
typedef struct {
  xr_activation_kind kind;
} activation_attributes;

static xr_activation activation_arguments(const xr_node *node, const xr_run *run) {
  const activation_attributes *a = xr_attributes(node);
  return (xr_activation){.kind = a->kind,
                         .count = count_of(node),
                         .dtype = xr_input_dtype(node, 0),
                         .x = run->in[0],
                         .y = run->out[0],
                         .dy = run->dout[0],
                         .dx = run->din[0],
                         .accumulate_dx = xr_bit(run->accumulate, 0)};
}

static xr_status activation_forward(const xr_node *node, const xr_run *run) {
  xr_activation k = activation_arguments(node, run);
  return XR_ON(run, xr_activation_forward, &k);
}

static xr_status activation_backward(const xr_node *node, const xr_run *run) {
  xr_activation k = activation_arguments(node, run);
  return XR_ON(run, xr_activation_backward, &k);
}

static const xr_op activation_op = {.name = "activation",
                                    .infer = xr_infer_like_input,
                                    .keep_in = 1u,
                                    .pass_gradient = 1u,
                                    .pass_modifies = true,
                                    .forward = activation_forward,
                                    .backward = activation_backward};

xr_var xr_activate(xr_graph *g, const char *label, xr_var x, xr_activation_kind kind) {
  return xr_apply_one(g, &activation_op, label, &(activation_attributes){kind}, sizeof(activation_attributes), 1, &x);
}

/* ---- dropout */
typedef struct {
  float rate;
} dropout_attributes;

static xr_dropout dropout_arguments(const xr_node *node, const xr_run *run) {
  const dropout_attributes *a = xr_attributes(node);
  return (xr_dropout){.count = count_of(node),
                      .dtype = xr_input_dtype(node, 0),
                      .rate = a->rate,
                      .seed = run->seed,
                      .node = xr_node_key(node),
                      .x = run->in[0],
                      .y = run->out[0],
                      .dy = run->dout[0],
                      .dx = run->din[0],
                      .accumulate_dx = xr_bit(run->accumulate, 0)};
}

static xr_status dropout_forward(const xr_node *node, const xr_run *run) {
  xr_dropout k = dropout_arguments(node, run);
  return XR_ON(run, xr_dropout_forward, &k);
}

static xr_status dropout_backward(const xr_node *node, const xr_run *run) {
  xr_dropout k = dropout_arguments(node, run);
  return XR_ON(run, xr_dropout_backward, &k);
}

static const xr_op dropout_op = {.name = "dropout",
                                 .infer = xr_infer_like_input,
                                 .in_place = true,
                                 .pass_gradient = 1u,
                                 .pass_modifies = true,
                                 .forward = dropout_forward,
                                 .backward = dropout_backward};

xr_var xr_dropout_of(xr_graph *g, const char *label, xr_var x, float rate) {
  if (!(rate >= 0 && rate < 1))
    return xr_graph_fail(g, XR_BAD_ARGUMENT, "%s: a dropout rate of %g; it lies in [0, 1)", label, (double)rate);
  if (rate == 0 || !xr_graph_options_of(g).training) return x;
  return xr_apply_one(g, &dropout_op, label, &(dropout_attributes){rate}, sizeof(dropout_attributes), 1, &x);
}

/* ---- cast */
typedef struct {
  xr_dtype dtype;
} cast_attributes;

static xr_cast cast_arguments(const xr_node *node, const xr_run *run) {
  return (xr_cast){.count = count_of(node),
                   .x_dtype = xr_input_dtype(node, 0),
                   .y_dtype = xr_output_dtype(node, 0),
                   .x = run->in[0],
                   .y = run->out[0],
                   .dy = run->dout[0],
                   .dx = run->din[0],
                   .accumulate_dx = xr_bit(run->accumulate, 0)};
}

static xr_status cast_infer(xr_node *node) {
  XR_TRY(xr_expect_float(node, 0));
  xr_set_output(node, 0, ((const cast_attributes *)xr_attributes(node))->dtype, xr_input_shape(node, 0));
  return XR_OK;
}

static xr_status cast_forward(const xr_node *node, const xr_run *run) {
  xr_cast k = cast_arguments(node, run);
  return XR_ON(run, xr_cast_forward, &k);
}

static xr_status cast_backward(const xr_node *node, const xr_run *run) {
  xr_cast k = cast_arguments(node, run);
  return XR_ON(run, xr_cast_backward, &k);
}

static const xr_op cast_op = {.name = "cast", .infer = cast_infer, .forward = cast_forward, .backward = cast_backward};

xr_var xr_param_cast(xr_graph *g, const char *name, xr_shape shape, xr_init init) {
  xr_var x = xr_param_f32(g, name, shape, init);
  const cast_attributes attributes = {xr_graph_options_of(g).compute};
  return xr_apply_one(g, &cast_op, name, &attributes, sizeof attributes, 1, &x);
}

xr_var xr_cast_to(xr_graph *g, const char *label, xr_var x, xr_dtype dtype) {
  if (x.id && xr_dtype_of(g, x) == dtype) return x;
  return xr_apply_one(g, &cast_op, label, &(cast_attributes){dtype}, sizeof(cast_attributes), 1, &x);
}
