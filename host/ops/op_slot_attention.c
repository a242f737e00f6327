/* slot_attention: in q [B, K, D], kv [B, N, 2 D] (, length i32 [B]); out [B, K, D], sums f32 [B, heads, K] */
#include "host/ops/ops_internal.h"
#include "kernels/embedding_set/slot_attention.h"

typedef struct {
  int64_t heads;
} attributes;

static xr_slot_attention sizes(const xr_node *node) {
  const attributes *a = xr_attributes(node);
  const xr_shape q = xr_input_shape(node, 0);
  return (xr_slot_attention){.batch = q.dim[0],
                             .slots = q.dim[1],
                             .tokens = xr_input_shape(node, 1).dim[1],
                             .heads = a->heads,
                             .head_dim = q.dim[2] / a->heads,
                             .dtype = xr_input_dtype(node, 0),
                             .row_stride = 2 * q.dim[2]};
}

static xr_status infer(xr_node *node) {
  const attributes *a = xr_attributes(node);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 3, "the slots' queries"));
  XR_TRY(xr_expect_rank(node, 1, 3, "keys and values"));
  const xr_shape q = xr_input_shape(node, 0);
  if (a->heads < 1 || q.dim[2] % a->heads)
    return xr_fail(XR_BAD_SHAPE, "a width of %lld does not divide into %lld heads", (long long)q.dim[2], (long long)a->heads);
  const xr_slot_attention k = sizes(node);
  XR_TRY(xr_expect_input(node, 1, k.dtype, XR_SHAPE(k.batch, k.tokens, 2 * q.dim[2]), "keys and values"));
  if (xr_input_count(node) == 3) XR_TRY(xr_expect_input(node, 2, XR_I32, XR_SHAPE(k.batch), "the length"));
  XR_TRY(xr_slot_attention_check(&k));
  xr_set_output(node, 0, k.dtype, q);
  xr_set_output(node, 1, XR_F32, XR_SHAPE(k.batch, k.heads, k.slots));
  xr_set_keep(node, (1u << xr_input_count(node)) - 1, 1u << 0 | 1u << 1);
  return XR_OK;
}

/* The second half of each row of packed keys and values. */
static void *values_of(const void *packed, const xr_slot_attention *k) {
  return (char *)packed + (size_t)(k->heads * k->head_dim) * xr_dtype_bytes(k->dtype);
}

static xr_slot_attention arguments(const xr_node *node, const xr_run *run) {
  xr_slot_attention k = sizes(node);
  k.q = run->in[0];
  k.k = run->in[1];
  k.v = values_of(k.k, &k);
  k.length = xr_input_count(node) == 3 ? run->in[2] : NULL;
  k.out = run->out[0];
  k.sums = run->out[1];
  return k;
}

static xr_status forward(const xr_node *node, const xr_run *run) {
  const xr_slot_attention k = arguments(node, run);
  return XR_ON(run, xr_slot_attention_forward, &k);
}

static xr_status backward(const xr_node *node, const xr_run *run) {
  xr_slot_attention k = arguments(node, run);
  for (int i = 0; i < 2; i++)
    if (!run->din[i]) return xr_fail(XR_UNSUPPORTED, "slot attention whose %s need no gradient", i ? "keys and values" : "queries");
  k.dout = run->dout[0];
  k.dq = run->din[0];
  k.dk = run->din[1];
  k.dv = values_of(k.dk, &k);
  k.accumulate_dq = xr_bit(run->accumulate, 0);
  k.accumulate_dk = k.accumulate_dv = xr_bit(run->accumulate, 1);
  return XR_ON(run, xr_slot_attention_backward, &k);
}

/* Two products forward, five backward, as for attention. */
static double flops(const xr_node *node, bool backward_pass) {
  const xr_slot_attention k = sizes(node);
  return (backward_pass ? 10.0 : 4.0) * (double)k.batch * (double)(k.heads * k.head_dim) * (double)k.slots * (double)k.tokens;
}

static const xr_op slot_attention_op = {
    .name = "slot_attention", .infer = infer, .no_gradient_out = 1u << 1, .flops = flops, .forward = forward, .backward = backward};

xr_var xr_slot_attention_of(xr_graph *g, const char *label, xr_var q, xr_var kv, int64_t heads, xr_var length) {
  const attributes a = {heads};
  xr_var out[2];
  xr_apply(g, &slot_attention_op, label, &a, sizeof a, length.id ? 3 : 2, (xr_var[]){q, kv, length}, 2, out);
  return out[0];
}
