/* conv2d: convolution of feature maps, channels last */
#include <math.h>

#include "host/ops/ops_internal.h"
#include "kernels/conv/conv2d.h"

/* ---- in x [B, H, W, C], weight [O, kh, kw, C] (, bias [O]); out y [B, Ho, Wo, O] */
typedef struct {
  int64_t stride, pad;
} conv_attributes;

static bool has_bias(const xr_node *node) { return xr_input_count(node) > 2; }

/* For shapes of ranks that have been checked. */
static xr_conv2d arguments(const xr_node *node) {
  const conv_attributes *o = xr_attributes(node);
  const xr_shape x = xr_input_shape(node, 0), weight = xr_input_shape(node, 1);
  return (xr_conv2d){.batch = x.dim[0],
                     .height = x.dim[1],
                     .width = x.dim[2],
                     .in = x.dim[3],
                     .out = weight.dim[0],
                     .kernel_height = weight.dim[1],
                     .kernel_width = weight.dim[2],
                     .stride = o->stride,
                     .pad = o->pad,
                     .dtype = xr_input_dtype(node, 0)};
}

static xr_status conv_infer(xr_node *node) {
  const xr_shape x = xr_input_shape(node, 0), weight = xr_input_shape(node, 1);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 4, "the feature map"));
  XR_TRY(xr_expect_rank(node, 1, 4, "the weight"));
  const xr_conv2d k = arguments(node);
  if (weight.dim[3] != k.in || xr_input_dtype(node, 1) != k.dtype)
    return xr_fail(XR_BAD_SHAPE, "maps %s %s do not fit the %s weight %s: the last dimensions are channels", xr_dtype_name(k.dtype),
                   xr_shape_to_text(x).text, xr_dtype_name(xr_input_dtype(node, 1)), xr_shape_to_text(weight).text);
  if (has_bias(node)) XR_TRY(xr_expect_input(node, 2, XR_F32, XR_SHAPE(k.out), "the bias"));
  if (xr_input_needs_gradient(node, 1) && xr_input_gradient_dtype(node, 1) != XR_F32)
    return xr_fail(XR_UNSUPPORTED, "the weight is a computed %s tensor, a parameter or f32 is expected",
                   xr_dtype_name(xr_input_dtype(node, 1)));
  XR_TRY(xr_conv2d_check(&k));
  xr_set_output(node, 0, k.dtype, XR_SHAPE(k.batch, xr_conv2d_out_height(&k), xr_conv2d_out_width(&k), k.out));
  xr_set_keep(node, (xr_input_needs_gradient(node, 1) ? 1u << 0 : 0) | (xr_input_needs_gradient(node, 0) ? 1u << 1 : 0), 0);
  return XR_OK;
}

static size_t conv_workspace(const xr_node *node, xr_run_kind kind) {
  static float wanted[1]; /* only whether pointers are NULL matters */
  xr_conv2d k = arguments(node);
  k.bias = has_bias(node) ? wanted : NULL;
  if (!kind.backward) {
    k.y = wanted;
    return xr_conv2d_workspace(&k);
  }
  k.dx = xr_input_needs_gradient(node, 0) ? wanted : NULL;
  k.dweight = xr_input_needs_gradient(node, 1) ? wanted : NULL;
  k.dbias = has_bias(node) && xr_input_needs_gradient(node, 2) ? wanted : NULL;
  k.accumulate_dx = xr_bit(kind.accumulate, 0);
  return xr_conv2d_workspace(&k);
}

static xr_status conv_forward(const xr_node *node, const xr_run *run) {
  xr_conv2d k = arguments(node);
  k.tf32 = run->tf32;
  k.x = run->in[0];
  k.weight = run->in[1];
  k.bias = has_bias(node) ? run->in[2] : NULL;
  k.y = run->out[0];
  k.workspace = run->workspace;
  return XR_ON(run, xr_conv2d_forward, &k);
}

static xr_status conv_backward(const xr_node *node, const xr_run *run) {
  xr_conv2d k = arguments(node);
  k.tf32 = run->tf32;
  k.x = run->in[0];
  k.weight = run->in[1];
  k.dy = run->dout[0];
  k.dx = run->din[0];
  k.dweight = run->din[1];
  k.dbias = has_bias(node) ? run->din[2] : NULL;
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  k.accumulate_dweight = xr_bit(run->accumulate, 1);
  k.accumulate_dbias = xr_bit(run->accumulate, 2);
  k.workspace = run->workspace;
  return XR_ON(run, xr_conv2d_backward, &k);
}

static double conv_flops(const xr_node *node, bool backward) {
  const xr_conv2d k = arguments(node);
  const double products = 2.0 * (double)xr_elements(xr_output_shape(node, 0)) * (double)(k.kernel_height * k.kernel_width * k.in);
  return backward ? products * (xr_input_needs_gradient(node, 0) + xr_input_needs_gradient(node, 1)) : products;
}

static const xr_op conv_op = {.name = "conv2d",
                              .infer = conv_infer,
                              .f32_gradient = 1u << 1,
                              .workspace = conv_workspace,
                              .flops = conv_flops,
                              .forward = conv_forward,
                              .backward = conv_backward};

xr_var xr_conv2d_with(xr_graph *g, const char *label, xr_var x, xr_var weight, xr_var bias, int64_t stride, int64_t pad) {
  const conv_attributes attributes = {stride, pad};
  return xr_apply_one(g, &conv_op, label, &attributes, sizeof attributes, bias.id ? 3 : 2, (xr_var[]){x, weight, bias});
}

xr_var xr_conv2d_of(xr_graph *g, xr_var x, const char *name, xr_conv2d_options o) {
  if (!x.id) return x;
  const int64_t in = xr_last_dim(xr_shape_of(g, x)), stride = o.stride ? o.stride : 1;
  const double fan_out = (double)(o.channels * o.kernel * o.kernel);
  const float std = o.std > 0 ? o.std : (float)sqrt(2 / fan_out);
  xr_scope_begin(g, "%s", name);
  xr_var weight = xr_param(g, "weight", XR_SHAPE(o.channels, o.kernel, o.kernel, in), (xr_init){XR_INIT_NORMAL, std});
  xr_var bias = o.bias ? xr_param(g, "bias", XR_SHAPE(o.channels), (xr_init){XR_INIT_ZERO, 0}) : (xr_var){0};
  xr_scope_end(g);
  return xr_conv2d_with(g, name, x, weight, bias, stride, o.pad);
}
