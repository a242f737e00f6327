/* batchnorm, batchnorm_add */
#include "host/ops/ops_internal.h"
#include "kernels/norm/batchnorm.h"

/* ---- in x, weight, bias, running_mean, running_var (state, which forward changes in training graphs) (, add); out y, statistics [2, C]
 * (mean, then rstd) */
enum { X, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VAR, ADD };

typedef struct {
  float eps, momentum;
  bool relu;
} attributes;

static bool has_add(const xr_node *node) { return xr_input_count(node) > ADD; }

static xr_batchnorm arguments(const xr_node *node, const xr_run *run) {
  const attributes *at = xr_attributes(node);
  const xr_shape shape = xr_input_shape(node, X);
  xr_batchnorm k = {.rows = xr_rows(shape),
                    .cols = xr_last_dim(shape),
                    .eps = at->eps,
                    .momentum = at->momentum,
                    .training = xr_node_training(node),
                    .relu = at->relu,
                    .dtype = xr_input_dtype(node, X)};
  if (!run) return k;
  k.x = run->in[X];
  k.add = has_add(node) ? run->in[ADD] : NULL;
  k.weight = run->in[WEIGHT];
  k.bias = run->in[BIAS];
  if (!run->again) {
    k.running_mean = (float *)(uintptr_t)run->in[RUNNING_MEAN];
    k.running_var = (float *)(uintptr_t)run->in[RUNNING_VAR];
  }
  k.y = run->out[0];
  k.mean = run->out[1];
  k.rstd = k.mean + k.cols;
  k.workspace = run->workspace;
  return k;
}

static xr_status infer(xr_node *node) {
  static const char *const vectors[] = {
      [WEIGHT] = "the weight", [BIAS] = "the bias", [RUNNING_MEAN] = "the running mean", [RUNNING_VAR] = "the running variance"};
  const xr_shape shape = xr_input_shape(node, X);
  XR_TRY(xr_expect_float(node, X));
  for (int i = WEIGHT; i <= RUNNING_VAR; i++) XR_TRY(xr_expect_input(node, i, XR_F32, XR_SHAPE(xr_last_dim(shape)), vectors[i]));
  if (has_add(node)) XR_TRY(xr_expect_input(node, ADD, xr_input_dtype(node, X), shape, "what is added"));
  const xr_batchnorm k = arguments(node, NULL);
  XR_TRY(xr_batchnorm_check(&k));
  xr_set_output(node, 0, k.dtype, shape);
  xr_set_output(node, 1, XR_F32, XR_SHAPE(2, k.cols));
  xr_set_keep(node, 1u << X | 1u << WEIGHT, 1u << 1 | (k.relu ? 1u << 0 : 0));
  return XR_OK;
}

static size_t workspace(const xr_node *node, xr_run_kind kind) {
  (void)kind;
  const xr_batchnorm k = arguments(node, NULL);
  return k.training ? xr_batchnorm_workspace(&k) : 0;
}

static xr_status forward(const xr_node *node, const xr_run *run) {
  const xr_batchnorm k = arguments(node, run);
  return XR_ON(run, xr_batchnorm_forward, &k);
}

static xr_status backward(const xr_node *node, const xr_run *run) {
  xr_batchnorm k = arguments(node, run);
  k.dy = run->dout[0];
  k.dx = run->din[X];
  k.dweight = run->din[WEIGHT];
  k.dbias = run->din[BIAS];
  k.accumulate_dx = xr_bit(run->accumulate, X);
  k.accumulate_dweight = xr_bit(run->accumulate, WEIGHT);
  k.accumulate_dbias = xr_bit(run->accumulate, BIAS);
  if (has_add(node)) {
    k.dadd = run->din[ADD];
    k.accumulate_dadd = xr_bit(run->accumulate, ADD);
  }
  return XR_ON(run, xr_batchnorm_backward, &k);
}

/* One gradient may take the memory of dy: that of the residual where there is one, else that of x. */
static const xr_op batchnorm_op = {.name = "batchnorm",
                                   .infer = infer,
                                   .no_gradient_out = 1u << 1,
                                   .in_place = true,
                                   .pass_gradient = 1u << X,
                                   .pass_modifies = true,
                                   .workspace = workspace,
                                   .forward = forward,
                                   .backward = backward};
static const xr_op batchnorm_add_op = {.name = "batchnorm_add",
                                       .infer = infer,
                                       .no_gradient_out = 1u << 1,
                                       .in_place = true,
                                       .pass_gradient = 1u << ADD,
                                       .pass_modifies = true,
                                       .workspace = workspace,
                                       .forward = forward,
                                       .backward = backward};

xr_var xr_batchnorm_of(xr_graph *g, xr_var x, const char *name, xr_batchnorm_options options) {
  if (!x.id) return x;
  const xr_shape cols = XR_SHAPE(xr_last_dim(xr_shape_of(g, x)));
  const xr_init zero = {XR_INIT_ZERO, 0}, one = {XR_INIT_ONE, 1};
  xr_var in[6] = {x}, out[2];
  xr_scope_begin(g, "%s", name);
  in[WEIGHT] = xr_param(g, "weight", cols, options.zero_weight ? zero : one);
  in[BIAS] = options.freeze_bias ? xr_state(g, "bias", cols, zero) : xr_param(g, "bias", cols, zero);
  in[RUNNING_MEAN] = xr_state(g, "running_mean", cols, zero);
  in[RUNNING_VAR] = xr_state(g, "running_var", cols, one);
  xr_scope_end(g);
  in[ADD] = options.add;
  const attributes at = {
      .eps = options.eps > 0 ? options.eps : 1e-5f, .momentum = options.momentum > 0 ? options.momentum : 0.1f, .relu = options.relu};
  const bool add = options.add.id != 0;
  xr_apply(g, add ? &batchnorm_add_op : &batchnorm_op, name, &at, sizeof at, add ? 6 : 5, in, 2, out);
  return out[0];
}
