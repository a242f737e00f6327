/* cross_projection: in x [.., D], tokens [.., D], weight [3 D, D] (, bias [3 D]); out q [.., D], kv [.., 2 D]. Two linear maps whose
 * weights are parts of one parameter, as torch.nn.MultiheadAttention keeps them: one node, so that both parts of its gradient are written.
 */
#include "host/ops/ops_internal.h"
#include "kernels/linear/linear.h"

enum { QUERIES, TOKENS, PARTS };

static xr_status infer(xr_node *node) {
  const int64_t width = xr_last_dim(xr_input_shape(node, 0));
  const xr_dtype dtype = xr_input_dtype(node, 0);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_input(node, 2, dtype, XR_SHAPE(3 * width, width), "the weight"));
  if (xr_input_count(node) > 3) XR_TRY(xr_expect_input(node, 3, XR_F32, XR_SHAPE(3 * width), "the bias"));
  for (int part = 0; part < PARTS; part++) {
    xr_shape shape = xr_input_shape(node, part);
    if (xr_last_dim(shape) != width || xr_input_dtype(node, part) != dtype)
      return xr_fail(XR_BAD_SHAPE, "queries are %s %s, the tokens %s %s", xr_dtype_name(dtype),
                     xr_shape_to_text(xr_input_shape(node, 0)).text, xr_dtype_name(xr_input_dtype(node, part)),
                     xr_shape_to_text(shape).text);
    shape.dim[shape.rank - 1] = (part == QUERIES ? 1 : 2) * width;
    xr_set_output(node, part, dtype, shape);
  }
  return XR_OK;
}

static const void *offset(const void *base, int64_t elements, xr_dtype dtype) {
  return base ? (const char *)base + (size_t)elements * xr_dtype_bytes(dtype) : NULL;
}

static float *offset_f32(void *base, int64_t elements) { return base ? (float *)base + elements : NULL; }

static xr_linear arguments(const xr_node *node, const xr_run *run, int part) {
  xr_shape x = xr_input_shape(node, part);
  const int64_t width = xr_last_dim(x), first = part == QUERIES ? 0 : width;
  const xr_dtype dtype = xr_input_dtype(node, 0);
  xr_linear k = {.rows = xr_rows(x), .in = width, .out = (part == QUERIES ? 1 : 2) * width, .dtype = dtype, .y_dtype = dtype};
  if (!run) return k;
  const bool bias = xr_input_count(node) > 3;
  k.x = run->in[part];
  k.weight = offset(run->in[2], first * width, dtype);
  k.bias = bias ? offset(run->in[3], first, XR_F32) : NULL;
  k.y = run->out[part];
  k.dy = run->dout[part];
  k.dx = run->din[part];
  k.dweight = offset_f32(run->din[2], first * width);
  k.dbias = bias ? offset_f32(run->din[3], first) : NULL;
  k.accumulate_dx = xr_bit(run->accumulate, part);
  k.accumulate_dweight = xr_bit(run->accumulate, 2);
  k.accumulate_dbias = bias && xr_bit(run->accumulate, 3);
  k.workspace = run->workspace;
  return k;
}

static size_t workspace(const xr_node *node, xr_run_kind kind) {
  static float wanted[1]; /* only whether pointers are NULL matters */
  size_t most = 0;
  for (int part = 0; part < PARTS; part++) {
    xr_linear k = arguments(node, NULL, part);
    if (kind.backward) {
      k.dx = xr_input_needs_gradient(node, part) ? wanted : NULL;
      k.dweight = xr_input_needs_gradient(node, 2) ? wanted : NULL;
      k.dbias = xr_input_count(node) > 3 && xr_input_needs_gradient(node, 3) ? wanted : NULL;
    } else {
      k.y = wanted;
    }
    const size_t bytes = xr_linear_workspace(&k);
    most = bytes > most ? bytes : most;
  }
  return most;
}

static xr_status forward(const xr_node *node, const xr_run *run) {
  for (int part = 0; part < PARTS; part++) {
    xr_linear k = arguments(node, run, part);
    XR_TRY(XR_ON(run, xr_linear_forward, &k));
  }
  return XR_OK;
}

static xr_status backward(const xr_node *node, const xr_run *run) {
  if (!run->dout[QUERIES] || !run->dout[TOKENS])
    return xr_fail(XR_UNSUPPORTED, "a projection of which only the queries or only the keys and values are used");
  for (int part = 0; part < PARTS; part++) {
    xr_linear k = arguments(node, run, part);
    XR_TRY(XR_ON(run, xr_linear_backward, &k));
  }
  return XR_OK;
}

static double flops(const xr_node *node, bool backward_pass) {
  double sum = 0;
  for (int part = 0; part < PARTS; part++) {
    const xr_linear k = arguments(node, NULL, part);
    const int products = backward_pass ? xr_input_needs_gradient(node, part) + xr_input_needs_gradient(node, 2) : 1;
    sum += 2.0 * (double)k.rows * (double)k.in * (double)k.out * products;
  }
  return sum;
}

static const xr_op cross_projection_op = {.name = "cross_projection",
                                          .infer = infer,
                                          .keep_in = 7u,
                                          .f32_gradient = 1u << 2,
                                          .workspace = workspace,
                                          .flops = flops,
                                          .forward = forward,
                                          .backward = backward};

void xr_cross_projection(xr_graph *g, const char *label, xr_var x, xr_var tokens, xr_var weight, xr_var bias, xr_var *q, xr_var *kv) {
  xr_var out[PARTS];
  xr_apply(g, &cross_projection_op, label, NULL, 0, bias.id ? 4 : 3, (xr_var[]){x, tokens, weight, bias}, PARTS, out);
  *q = out[QUERIES];
  *kv = out[TOKENS];
}
