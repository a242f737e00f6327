/* linear, matmul_transposed */
#include "host/ops/ops_internal.h"
#include "kernels/linear/gemm.h"
#include "kernels/linear/linear.h"

/* ---- linear: in x [.., in], weight (, bias [out]); out y [.., out] (, pre: what the activation saw, kept for training) */
static xr_linear arguments(const xr_node *node) {
  const xr_linear_options *o = xr_attributes(node);
  xr_shape x = xr_input_shape(node, 0), weight = xr_input_shape(node, 1);
  const int64_t first = weight.dim[0], rest = first ? xr_elements(weight) / first : 0; /* a convolution's weight is a matrix, too */
  return (xr_linear){.rows = xr_rows(x),
                     .in = o->transposed ? first : rest,
                     .out = o->transposed ? rest : first,
                     .dtype = xr_input_dtype(node, 0),
                     .y_dtype = o->f32_result ? XR_F32 : xr_input_dtype(node, 0),
                     .activation = o->activation,
                     .weight_transposed = o->transposed};
}

static bool keeps_pre(const xr_node *node) {
  return ((const xr_linear_options *)xr_attributes(node))->activation != XR_ACTIVATION_NONE && xr_node_training(node);
}

static xr_status linear_infer(xr_node *node) {
  XR_TRY(xr_expect_float(node, 0));
  if (xr_input_shape(node, 1).rank < 2)
    return xr_fail(XR_BAD_SHAPE, "the weight is %s, a matrix is expected", xr_shape_to_text(xr_input_shape(node, 1)).text);
  xr_linear k = arguments(node);
  xr_shape y = xr_input_shape(node, 0);
  if (xr_last_dim(y) != k.in || xr_input_dtype(node, 1) != k.dtype)
    return xr_fail(XR_BAD_SHAPE, "rows of %s %s do not fit the %s weight %s", xr_dtype_name(k.dtype), xr_shape_to_text(y).text,
                   xr_dtype_name(xr_input_dtype(node, 1)), xr_shape_to_text(xr_input_shape(node, 1)).text);
  if (xr_input_count(node) > 2) XR_TRY(xr_expect_input(node, 2, XR_F32, XR_SHAPE(k.out), "the bias"));
  y.dim[y.rank - 1] = k.out;
  xr_set_output(node, 0, k.y_dtype, y);
  if (keeps_pre(node)) xr_set_output(node, 1, k.y_dtype, y);
  xr_set_keep(node, 1u << 0 | 1u << 1, keeps_pre(node) ? 1u << 1 : 0);
  return XR_OK;
}

/* dpre takes dy's memory when it may; else it stands before the product's own workspace. */
static size_t dpre_bytes(const xr_linear *k, uint32_t dout_owned) {
  bool needed = k->activation != XR_ACTIVATION_NONE || k->y_dtype != k->dtype, over_dy = k->y_dtype == k->dtype && xr_bit(dout_owned, 0);
  size_t bytes = (size_t)(k->rows * k->out) * xr_dtype_bytes(k->dtype);
  return needed && !over_dy ? (bytes + 255) / 256 * 256 : 0;
}

static size_t linear_workspace(const xr_node *node, xr_run_kind kind) {
  static float wanted[1]; /* only whether pointers are NULL matters */
  xr_linear k = arguments(node);
  if (!kind.backward) {
    k.y = wanted;
    return xr_linear_workspace(&k);
  }
  k.dx = xr_input_needs_gradient(node, 0) ? wanted : NULL;
  k.dweight = xr_input_needs_gradient(node, 1) ? wanted : NULL;
  k.dbias = xr_input_count(node) > 2 && xr_input_needs_gradient(node, 2) ? wanted : NULL;
  return dpre_bytes(&k, kind.dout_owned) + xr_linear_workspace(&k);
}

static xr_status linear_forward(const xr_node *node, const xr_run *run) {
  xr_linear k = arguments(node);
  k.tf32 = run->tf32;
  k.x = run->in[0];
  k.weight = run->in[1];
  k.bias = xr_input_count(node) > 2 ? run->in[2] : NULL;
  k.y = run->out[0];
  k.pre = keeps_pre(node) ? run->out[1] : NULL;
  k.workspace = run->workspace;
  return XR_ON(run, xr_linear_forward, &k);
}

static xr_status linear_backward(const xr_node *node, const xr_run *run) {
  xr_linear k = arguments(node);
  const size_t dpre = dpre_bytes(&k, run->dout_owned);
  k.tf32 = run->tf32;
  k.x = run->in[0];
  k.weight = run->in[1];
  k.pre = keeps_pre(node) ? run->out[1] : NULL;
  k.dy = run->dout[0];
  k.dpre = dpre ? run->workspace : run->dout[0];
  k.dx = run->din[0];
  k.dweight = run->din[1];
  k.dbias = xr_input_count(node) > 2 ? run->din[2] : NULL;
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  k.accumulate_dweight = xr_bit(run->accumulate, 1);
  k.accumulate_dbias = xr_bit(run->accumulate, 2);
  k.workspace = run->workspace ? (char *)run->workspace + dpre : NULL;
  return XR_ON(run, xr_linear_backward, &k);
}

static double linear_flops(const xr_node *node, bool backward) {
  xr_linear k = arguments(node);
  double product = 2.0 * (double)k.rows * (double)k.in * (double)k.out;
  return backward ? product * (xr_input_needs_gradient(node, 0) + xr_input_needs_gradient(node, 1)) : product;
}

static const xr_op linear_op = {.name = "linear",
                                .infer = linear_infer,
                                .f32_gradient = 1u << 1,
                                .no_gradient_out = 1u << 1,
                                .workspace = linear_workspace,
                                .flops = linear_flops,
                                .forward = linear_forward,
                                .backward = linear_backward};

xr_var xr_linear_with(xr_graph *g, const char *label, xr_var x, xr_var weight, xr_var bias, xr_linear_options options) {
  xr_var out[2];
  bool pre = options.activation != XR_ACTIVATION_NONE && xr_graph_options_of(g).training;
  xr_apply(g, &linear_op, label, &options, sizeof options, bias.id ? 3 : 2, (xr_var[]){x, weight, bias}, pre ? 2 : 1, out);
  return out[0];
}

xr_var xr_linear_of(xr_graph *g, xr_var x, const char *name, int64_t out_features, float std, xr_linear_options options) {
  if (!x.id) return x;
  const int64_t in = xr_last_dim(xr_shape_of(g, x));
  xr_scope_begin(g, "%s", name);
  xr_shape shape = options.transposed ? XR_SHAPE(in, out_features) : XR_SHAPE(out_features, in);
  xr_var weight = xr_param(g, "weight", shape, (xr_init){XR_INIT_NORMAL, std});
  xr_var bias = xr_param(g, "bias", XR_SHAPE(out_features), (xr_init){XR_INIT_ZERO, 0});
  xr_scope_end(g);
  return xr_linear_with(g, name, x, weight, bias, options);
}

/* ---- matmul_transposed: in a [M, D], b [N, D]; out a b^T, f32 */
static xr_status matmul_infer(xr_node *node) {
  xr_shape a = xr_input_shape(node, 0), b = xr_input_shape(node, 1);
  XR_TRY(xr_expect_rank(node, 0, 2, "the first matrix"));
  XR_TRY(xr_expect_rank(node, 1, 2, "the second matrix"));
  XR_TRY(xr_expect_float(node, 0));
  if (a.dim[1] != b.dim[1] || xr_input_dtype(node, 0) != xr_input_dtype(node, 1))
    return xr_fail(XR_BAD_SHAPE, "%s and %s have rows of different lengths or dtypes", xr_shape_to_text(a).text, xr_shape_to_text(b).text);
  xr_set_output(node, 0, XR_F32, XR_SHAPE(a.dim[0], b.dim[0]));
  return XR_OK;
}

/* Forward (side -1): c = a b^T. Backward: da = dc b (side 0), db = dc^T a (side 1); dc is f32, so it needs f32 inputs. */
static xr_gemm matmul_product(const xr_node *node, int side) {
  const int64_t m = xr_input_shape(node, 0).dim[0], n = xr_input_shape(node, 1).dim[0], d = xr_input_shape(node, 0).dim[1];
  xr_dtype dtype = xr_input_dtype(node, 0);
  if (side < 0)
    return (xr_gemm){.m = m, .n = n, .k = d, .transpose_b = true, .dtype = dtype, .c_dtype = XR_F32, .lda = d, .ldb = d, .ldc = n};
  return (xr_gemm){
      .m = side ? n : m, .n = d, .k = side ? m : n, .transpose_a = side, .dtype = XR_F32, .c_dtype = XR_F32, .lda = n, .ldb = d, .ldc = d};
}

static size_t matmul_workspace(const xr_node *node, xr_run_kind kind) {
  size_t most = 0;
  for (int side = kind.backward ? 0 : -1; side <= (kind.backward ? 1 : -1); side++) {
    xr_gemm k = matmul_product(node, side);
    size_t bytes = xr_gemm_workspace(&k);
    most = bytes > most ? bytes : most;
  }
  return most;
}

static xr_status matmul_forward(const xr_node *node, const xr_run *run) {
  xr_gemm k = matmul_product(node, -1);
  k.a = run->in[0];
  k.b = run->in[1];
  k.c = run->out[0];
  k.workspace = run->workspace;
  return XR_ON(run, xr_gemm, &k);
}

static xr_status matmul_backward(const xr_node *node, const xr_run *run) {
  if (xr_input_dtype(node, 0) != XR_F32) return xr_fail(XR_UNSUPPORTED, "the gradient of a product of bf16 features; cast them to f32");
  for (int side = 0; side < 2; side++) {
    xr_gemm k = matmul_product(node, side);
    k.a = run->dout[0];
    k.b = run->in[1 - side];
    k.c = run->din[side];
    k.accumulate = xr_bit(run->accumulate, side);
    k.workspace = run->workspace;
    if (k.c) XR_TRY(XR_ON(run, xr_gemm, &k));
  }
  return XR_OK;
}

static double matmul_flops(const xr_node *node, bool backward) {
  xr_shape a = xr_input_shape(node, 0);
  return (backward ? 4.0 : 2.0) * (double)xr_elements(a) * (double)xr_input_shape(node, 1).dim[0];
}

static const xr_op matmul_op = {.name = "matmul_transposed",
                                .infer = matmul_infer,
                                .keep_in = 3u,
                                .workspace = matmul_workspace,
                                .flops = matmul_flops,
                                .forward = matmul_forward,
                                .backward = matmul_backward};

xr_var xr_matmul_transposed(xr_graph *g, const char *label, xr_var a, xr_var b) {
  return xr_apply_one(g, &matmul_op, label, NULL, 0, 2, (xr_var[]){a, b});
}
