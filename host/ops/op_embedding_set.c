/* set_reduce, mmd, set_spread: how alike embedding sets are, and what regularises them */
#include "host/ops/ops_internal.h"

/* ---- set_reduce: in cosines f32 [A K1, B K2]; out similarities f32 [A, B] */
typedef struct {
  int64_t a_size, b_size;
  xr_set_similarity_options options;
} reduce_attributes;

static xr_set_similarity reduce_arguments(const xr_node *node, const xr_run *run) {
  const reduce_attributes *o = xr_attributes(node);
  const xr_shape c = xr_input_shape(node, 0);
  xr_set_similarity k = {.a_size = o->a_size, .b_size = o->b_size, .options = o->options};
  if (o->a_size > 0) k.a_sets = c.dim[0] / o->a_size;
  if (o->b_size > 0) k.b_sets = c.dim[1] / o->b_size;
  if (!run) return k;
  k.cosine = run->in[0];
  k.similarity = run->out[0];
  k.dsimilarity = run->dout[0];
  k.dcosine = run->din[0];
  k.accumulate_dcosine = xr_bit(run->accumulate, 0);
  return k;
}

static xr_status reduce_infer(xr_node *node) {
  const xr_shape c = xr_input_shape(node, 0);
  XR_TRY(xr_expect_rank(node, 0, 2, "the cosines"));
  XR_TRY(xr_expect_input(node, 0, XR_F32, c, "the cosines"));
  const xr_set_similarity k = reduce_arguments(node, NULL);
  XR_TRY(xr_set_similarity_check(&k));
  if (c.dim[0] != k.a_sets * k.a_size || c.dim[1] != k.b_sets * k.b_size)
    return xr_fail(XR_BAD_SHAPE, "cosines %s are not those of sets of %lld and %lld elements", xr_shape_to_text(c).text,
                   (long long)k.a_size, (long long)k.b_size);
  xr_set_output(node, 0, XR_F32, XR_SHAPE(k.a_sets, k.b_sets));
  return XR_OK;
}

static xr_status reduce_forward(const xr_node *node, const xr_run *run) {
  const xr_set_similarity k = reduce_arguments(node, run);
  return XR_ON(run, xr_set_similarity_forward, &k);
}

static xr_status reduce_backward(const xr_node *node, const xr_run *run) {
  const xr_set_similarity k = reduce_arguments(node, run);
  return XR_ON(run, xr_set_similarity_backward, &k);
}

static const xr_op reduce_op = {
    .name = "set_reduce", .infer = reduce_infer, .keep_in = 1u << 0, .forward = reduce_forward, .backward = reduce_backward};

xr_var xr_set_reduce(xr_graph *g, const char *label, xr_var cosine, int64_t a_size, int64_t b_size, xr_set_similarity_options options) {
  const reduce_attributes attributes = {a_size, b_size, options};
  return xr_apply_one(g, &reduce_op, label, &attributes, sizeof attributes, 1, &cosine);
}

/* [A, K, D] as [A K, D] */
static xr_var elements_of(xr_graph *g, const char *label, xr_var sets) {
  const xr_shape s = xr_shape_of(g, sets);
  return xr_reshape(g, label, sets, XR_SHAPE(xr_rows(s), xr_last_dim(s)));
}

xr_var xr_set_similarity_of(xr_graph *g, const char *label, xr_var a, xr_var b, xr_set_similarity_options options) {
  const xr_shape left = xr_shape_of(g, a), right = xr_shape_of(g, b);
  if (!a.id || !b.id) return (xr_var){0};
  if (left.rank != 3 || right.rank != 3 || xr_dtype_of(g, a) != XR_F32 || xr_dtype_of(g, b) != XR_F32)
    return xr_graph_fail(g, XR_BAD_SHAPE, "%s: sets %s %s and %s %s; f32 in 3 dimensions is expected", label,
                         xr_dtype_name(xr_dtype_of(g, a)), xr_shape_to_text(left).text, xr_dtype_name(xr_dtype_of(g, b)),
                         xr_shape_to_text(right).text);
  xr_scope_begin(g, "%s", label);
  xr_var rows = elements_of(g, "rows", a), columns = elements_of(g, "columns", b);
  xr_var cosine = xr_matmul_transposed(g, "cosine", rows, columns);
  xr_var similarity = xr_set_reduce(g, "similarity", cosine, left.dim[1], right.dim[1], options);
  xr_scope_end(g);
  return similarity;
}

/* ---- mmd: in x f32 [.., D], y f32 [.., D]; out loss, gradients [N, D] and [M, D] */
static xr_mmd mmd_arguments(const xr_node *node, const xr_run *run) {
  xr_mmd k = {.width = xr_last_dim(xr_input_shape(node, 0)), .options = *(const xr_mmd_options *)xr_attributes(node)};
  for (int side = 0; side < 2; side++) {
    k.rows[side] = xr_rows(xr_input_shape(node, side));
    if (!run) continue;
    k.x[side] = run->in[side];
    k.gradient[side] = run->out[1 + side];
    k.dx[side] = run->din[side];
    k.accumulate_dx[side] = xr_bit(run->accumulate, side);
  }
  if (!run) return k;
  k.loss = run->out[0];
  k.workspace = run->workspace;
  k.dloss = run->dout[0];
  return k;
}

static xr_status mmd_infer(xr_node *node) {
  const xr_mmd k = mmd_arguments(node, NULL);
  for (int side = 0; side < 2; side++) {
    const xr_shape x = xr_input_shape(node, side);
    if (xr_input_dtype(node, side) != XR_F32 || xr_last_dim(x) != k.width)
      return xr_fail(XR_BAD_SHAPE, "rows are %s %s and %s %s; both must be f32 and of one length", xr_dtype_name(xr_input_dtype(node, 0)),
                     xr_shape_to_text(xr_input_shape(node, 0)).text, xr_dtype_name(xr_input_dtype(node, 1)),
                     xr_shape_to_text(xr_input_shape(node, 1)).text);
    xr_set_output(node, 1 + side, XR_F32, XR_SHAPE(k.rows[side], k.width));
  }
  XR_TRY(xr_mmd_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(1));
  return XR_OK;
}

static size_t mmd_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_mmd k = mmd_arguments(node, NULL);
  return kind.backward ? 0 : xr_mmd_workspace(&k);
}

static xr_status mmd_forward(const xr_node *node, const xr_run *run) {
  const xr_mmd k = mmd_arguments(node, run);
  return XR_ON(run, xr_mmd_forward, &k);
}

static xr_status mmd_backward(const xr_node *node, const xr_run *run) {
  const xr_mmd k = mmd_arguments(node, run);
  return XR_ON(run, xr_mmd_backward, &k);
}

static const xr_op mmd_op = {.name = "mmd",
                             .infer = mmd_infer,
                             .keep_out = 1u << 1 | 1u << 2,
                             .no_gradient_out = 1u << 1 | 1u << 2,
                             .workspace = mmd_workspace,
                             .forward = mmd_forward,
                             .backward = mmd_backward};

xr_var xr_mmd_loss(xr_graph *g, const char *label, xr_var x, xr_var y, xr_mmd_options options) {
  xr_var out[3];
  xr_apply(g, &mmd_op, label, &options, sizeof options, 2, (xr_var[]){x, y}, 3, out);
  return out[0];
}

/* ---- set_spread: in sets f32 [B, K, D]; out loss */
static xr_set_spread spread_arguments(const xr_node *node, const xr_run *run) {
  const xr_shape x = xr_input_shape(node, 0);
  xr_set_spread k = {.batch = x.dim[0], .size = x.dim[1], .width = x.dim[2], .kind = *(const xr_spread_kind *)xr_attributes(node)};
  if (!run) return k;
  k.x = run->in[0];
  k.loss = run->out[0];
  k.workspace = run->workspace;
  k.dloss = run->dout[0];
  k.dx = run->din[0];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  return k;
}

static xr_status spread_infer(xr_node *node) {
  XR_TRY(xr_expect_rank(node, 0, 3, "the sets"));
  XR_TRY(xr_expect_input(node, 0, XR_F32, xr_input_shape(node, 0), "the sets"));
  const xr_set_spread k = spread_arguments(node, NULL);
  XR_TRY(xr_set_spread_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(1));
  return XR_OK;
}

static size_t spread_workspace(const xr_node *node, xr_run_kind kind) {
  const xr_set_spread k = spread_arguments(node, NULL);
  return kind.backward ? 0 : xr_set_spread_workspace(&k);
}

static xr_status spread_forward(const xr_node *node, const xr_run *run) {
  const xr_set_spread k = spread_arguments(node, run);
  return XR_ON(run, xr_set_spread_forward, &k);
}

static xr_status spread_backward(const xr_node *node, const xr_run *run) {
  const xr_set_spread k = spread_arguments(node, run);
  return XR_ON(run, xr_set_spread_backward, &k);
}

static const xr_op spread_op = {.name = "set_spread",
                                .infer = spread_infer,
                                .keep_in = 1u << 0,
                                .workspace = spread_workspace,
                                .forward = spread_forward,
                                .backward = spread_backward};

xr_var xr_set_spread_of(xr_graph *g, const char *label, xr_var sets, xr_spread_kind kind) {
  return xr_apply_one(g, &spread_op, label, &kind, sizeof kind, 1, &sets);
}
