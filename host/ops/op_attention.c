/* attention: in qkv packed [B, N, 3 D], or q [B, M, D] and kv packed [B, N, 2 D] (, key_length i32 [B]); out [B, M, D], lse f32 [B, heads,
 * M] */
#include "host/ops/ops_internal.h"
#include "kernels/attention/attention.h"

typedef struct {
  int64_t heads;
  bool causal, packed, has_length;
} attributes;

static int length_input(const attributes *a) { return a->packed ? 1 : 2; }

static int64_t width_of(const xr_node *node) {
  const attributes *a = xr_attributes(node);
  return a->packed ? xr_input_shape(node, 0).dim[2] / 3 : xr_input_shape(node, 0).dim[2];
}

static xr_status infer(xr_node *node) {
  const attributes *a = xr_attributes(node);
  xr_shape q = xr_input_shape(node, 0), kv = xr_input_shape(node, a->packed ? 0 : 1);
  const char *what = a->packed ? "queries, keys and values" : "queries";
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 3, what));
  if (a->packed && q.dim[2] % 3) return xr_fail(XR_BAD_SHAPE, "%s: %s does not divide into three", what, xr_shape_to_text(q).text);
  const int64_t width = width_of(node);
  if (!a->packed) XR_TRY(xr_expect_input(node, 1, xr_input_dtype(node, 0), XR_SHAPE(q.dim[0], kv.dim[1], 2 * width), "keys and values"));
  if (a->heads < 1 || width % a->heads)
    return xr_fail(XR_BAD_SHAPE, "a width of %lld does not divide into %lld heads", (long long)width, (long long)a->heads);
  if (width / a->heads > XR_ATTENTION_MAX_HEAD_DIM || kv.dim[1] > XR_ATTENTION_MAX_KEYS)
    return xr_fail(XR_UNSUPPORTED, "heads of %lld and %lld keys; at most %d and %d are supported", (long long)(width / a->heads),
                   (long long)kv.dim[1], XR_ATTENTION_MAX_HEAD_DIM, XR_ATTENTION_MAX_KEYS);
  if (a->has_length) XR_TRY(xr_expect_input(node, length_input(a), XR_I32, XR_SHAPE(q.dim[0]), "the key length"));
  xr_set_output(node, 0, xr_input_dtype(node, 0), XR_SHAPE(q.dim[0], q.dim[1], width));
  xr_set_output(node, 1, XR_F32, XR_SHAPE(q.dim[0], a->heads, q.dim[1]));
  return XR_OK;
}

/* Element `column` of the packed tensor at `base`; NULL stays NULL. */
static void *at(const void *base, int64_t column, xr_dtype dtype) {
  return base ? (char *)base + (size_t)column * xr_dtype_bytes(dtype) : NULL;
}

static xr_attention arguments(const xr_node *node, const xr_run *run) {
  const attributes *a = xr_attributes(node);
  const int64_t width = width_of(node), queries = xr_input_shape(node, 0).dim[1], keys = xr_input_shape(node, a->packed ? 0 : 1).dim[1];
  const int64_t q_row = a->packed ? 3 * width : width, kv_row = a->packed ? 3 * width : 2 * width, k_column = a->packed ? width : 0;
  const int kv = a->packed ? 0 : 1;
  const xr_dtype dtype = xr_input_dtype(node, 0);
  xr_attention k = {.batch = xr_input_shape(node, 0).dim[0],
                    .heads = a->heads,
                    .head_dim = width / a->heads,
                    .query_count = queries,
                    .key_count = keys,
                    .dtype = dtype,
                    .causal = a->causal,
                    .q_stride = {q_row, q_row * queries},
                    .k_stride = {kv_row, kv_row * keys},
                    .v_stride = {kv_row, kv_row * keys},
                    .out_stride = {width, width * queries}};
  if (!run) return k;
  k.key_length = a->has_length ? run->in[length_input(a)] : NULL;
  k.q = run->in[0];
  k.k = at(run->in[kv], k_column, dtype);
  k.v = at(run->in[kv], k_column + width, dtype);
  k.out = run->out[0];
  k.lse = run->out[1];
  k.dout = run->dout[0];
  k.dq = run->din[0];
  k.dk = at(run->din[kv], k_column, dtype);
  k.dv = at(run->din[kv], k_column + width, dtype);
  k.accumulate_dq = xr_bit(run->accumulate, 0);
  k.accumulate_dk = k.accumulate_dv = xr_bit(run->accumulate, kv);
  k.workspace = run->workspace;
  return k;
}

static size_t workspace(const xr_node *node, xr_run_kind kind) {
  xr_attention k = arguments(node, NULL);
  (void)kind;
  return xr_attention_workspace(&k);
}

static xr_status forward(const xr_node *node, const xr_run *run) {
  xr_attention k = arguments(node, run);
  return XR_ON(run, xr_attention_forward, &k);
}

static xr_status backward(const xr_node *node, const xr_run *run) {
  xr_attention k = arguments(node, run);
  if (!k.dq || !k.dk) return xr_fail(XR_UNSUPPORTED, "attention whose queries or keys need no gradient");
  return XR_ON(run, xr_attention_backward, &k);
}

/* Two products forward, five backward (scores once more), by the convention of 4 B h M N d and 2.5 times that. */
static double flops(const xr_node *node, bool backward_pass) {
  xr_attention k = arguments(node, NULL);
  return (backward_pass ? 10.0 : 4.0) * (double)k.batch * (double)(k.heads * k.head_dim) * (double)k.query_count * (double)k.key_count;
}

static const xr_op attention_op = {.name = "attention",
                                   .infer = infer,
                                   .keep_in = 7u,
                                   .keep_out = 3u,
                                   .no_gradient_out = 1u << 1,
                                   .workspace = workspace,
                                   .flops = flops,
                                   .forward = forward,
                                   .backward = backward};

static xr_var record(xr_graph *g, const char *label, int tensors, xr_var *in, xr_attention_options o) {
  xr_var out[2];
  attributes a = {.heads = o.heads, .causal = o.causal, .packed = tensors == 1, .has_length = o.key_length.id != 0};
  in[tensors] = o.key_length;
  xr_apply(g, &attention_op, label, &a, sizeof a, tensors + a.has_length, in, 2, out);
  return out[0];
}

xr_var xr_self_attention(xr_graph *g, const char *label, xr_var qkv, xr_attention_options options) {
  return record(g, label, 1, (xr_var[]){qkv, {0}}, options);
}

xr_var xr_cross_attention(xr_graph *g, const char *label, xr_var q, xr_var kv, xr_attention_options options) {
  return record(g, label, 2, (xr_var[]){q, kv, {0}}, options);
}
