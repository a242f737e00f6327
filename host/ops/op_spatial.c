/* grid_mean, token_conv: tokens at coarser scales */
#include "host/ops/ops_internal.h"
#include "kernels/conv/token_conv.h"
#include "kernels/pool/grid_mean.h"

/* ---- grid_mean: in x [B, (1 +) H W, D] */
typedef struct {
  int64_t height, width, factor;
} grid_attributes;

static xr_grid_mean grid_arguments(const xr_node *node, const xr_run *run) {
  const grid_attributes *a = xr_attributes(node);
  const xr_shape x = xr_input_shape(node, 0);
  xr_grid_mean k = {.batch = x.dim[0],
                    .first = x.dim[1] - a->height * a->width,
                    .grid_height = a->height,
                    .grid_width = a->width,
                    .width = x.dim[2],
                    .factor = a->factor,
                    .dtype = xr_input_dtype(node, 0)};
  if (!run) return k;
  k.x = run->in[0];
  k.y = run->out[0];
  k.dy = run->dout[0];
  k.dx = run->din[0];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  return k;
}

static xr_status grid_infer(xr_node *node) {
  const grid_attributes *a = xr_attributes(node);
  const xr_shape x = xr_input_shape(node, 0);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 3, "the tokens"));
  const xr_grid_mean k = grid_arguments(node, NULL);
  if (k.first != 0 && k.first != 1)
    return xr_fail(XR_BAD_SHAPE, "the tokens %s are not a grid of %lld x %lld, with or without a class token", xr_shape_to_text(x).text,
                   (long long)a->height, (long long)a->width);
  XR_TRY(xr_grid_mean_check(&k));
  xr_set_output(node, 0, k.dtype, XR_SHAPE(x.dim[0], xr_grid_mean_cells(&k), x.dim[2]));
  return XR_OK;
}

static xr_status grid_forward(const xr_node *node, const xr_run *run) {
  const xr_grid_mean k = grid_arguments(node, run);
  return XR_ON(run, xr_grid_mean_forward, &k);
}

static xr_status grid_backward(const xr_node *node, const xr_run *run) {
  const xr_grid_mean k = grid_arguments(node, run);
  return XR_ON(run, xr_grid_mean_backward, &k);
}

static const xr_op grid_op = {.name = "grid_mean", .infer = grid_infer, .forward = grid_forward, .backward = grid_backward};

xr_var xr_grid_mean_of(xr_graph *g, const char *label, xr_var x, int64_t grid_height, int64_t grid_width, int64_t factor) {
  const grid_attributes attributes = {grid_height, grid_width, factor};
  return xr_apply_one(g, &grid_op, label, &attributes, sizeof attributes, 1, &x);
}

/* ---- token_conv: in x [B, T, D], weight [D, K] (, length i32 [B]) */
static xr_token_conv conv_arguments(const xr_node *node, const xr_run *run) {
  const xr_shape x = xr_input_shape(node, 0);
  xr_token_conv k = {.batch = x.dim[0],
                     .tokens = x.dim[1],
                     .width = x.dim[2],
                     .taps = xr_last_dim(xr_input_shape(node, 1)),
                     .dtype = xr_input_dtype(node, 0),
                     .weight_dtype = xr_input_dtype(node, 1)};
  if (!run) return k;
  k.length = xr_input_count(node) > 2 ? run->in[2] : NULL;
  k.x = run->in[0];
  k.weight = run->in[1];
  k.y = run->out[0];
  k.dy = run->dout[0];
  k.dx = run->din[0];
  k.dweight = run->din[1];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  k.accumulate_dweight = xr_bit(run->accumulate, 1);
  k.workspace = run->workspace;
  return k;
}

static xr_status conv_infer(xr_node *node) {
  const xr_shape x = xr_input_shape(node, 0), weight = xr_input_shape(node, 1);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 3, "the tokens"));
  XR_TRY(xr_expect_float(node, 1));
  if (weight.rank != 2 || weight.dim[0] != x.dim[2])
    return xr_fail(XR_BAD_SHAPE, "the weight is %s, for tokens %s it has %lld rows of taps", xr_shape_to_text(weight).text,
                   xr_shape_to_text(x).text, (long long)x.dim[2]);
  if (xr_input_count(node) > 2) XR_TRY(xr_expect_input(node, 2, XR_I32, XR_SHAPE(x.dim[0]), "the length"));
  if (xr_input_needs_gradient(node, 1) && xr_input_gradient_dtype(node, 1) != XR_F32)
    return xr_fail(XR_UNSUPPORTED, "the weight is a computed %s tensor, a parameter or f32 is expected",
                   xr_dtype_name(xr_input_dtype(node, 1)));
  const xr_token_conv k = conv_arguments(node, NULL);
  XR_TRY(xr_token_conv_check(&k));
  xr_set_output(node, 0, k.dtype, x);
  const uint32_t for_weight = xr_input_needs_gradient(node, 1) ? 1u << 0 : 0, for_x = xr_input_needs_gradient(node, 0) ? 1u << 1 : 0;
  xr_set_keep(node, for_weight | for_x | (xr_input_count(node) > 2 ? 1u << 2 : 0), 0);
  return XR_OK;
}

static size_t conv_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_token_conv k = conv_arguments(node, NULL);
  return kind.backward && xr_input_needs_gradient(node, 1) ? xr_token_conv_workspace(&k) : 0;
}

static xr_status conv_forward(const xr_node *node, const xr_run *run) {
  const xr_token_conv k = conv_arguments(node, run);
  return XR_ON(run, xr_token_conv_forward, &k);
}

static xr_status conv_backward(const xr_node *node, const xr_run *run) {
  const xr_token_conv k = conv_arguments(node, run);
  return XR_ON(run, xr_token_conv_backward, &k);
}

static const xr_op conv_op = {
    .name = "token_conv", .infer = conv_infer, .f32_gradient = 1u << 1, .workspace = conv_workspace, .forward = conv_forward, .backward = conv_backward};

xr_var xr_token_conv_of(xr_graph *g, const char *label, xr_var x, xr_var weight, xr_var length) {
  return xr_apply_one(g, &conv_op, label, NULL, 0, length.id ? 3 : 2, (xr_var[]){x, weight, length});
}
