/* multiscale_attention: in q [M, D], kv [B, N_s, 2 D] for each scale (, code [D] for each scale) (, gate [D]) (, key_length i32 [B]);
 *   with a gate: out fused [B, M, D], per_scale [B, S, M, D], gates f32 [B, S, M], lse f32 [S, B, heads, M]; else: out per_scale, lse
 * scale_gate: in z [B, S, M, D], logits f32 [B, S, M]; out [B, M, D], gates f32 [B, S, M] */
#include <stdio.h>

#include "host/ops/ops_internal.h"
#include "kernels/attention/multiscale_attention.h"
#include "kernels/attention/scale_gate.h"

typedef struct {
  int64_t heads;
  int scales;
  bool has_code, has_gate, has_length;
} attributes;

/* Places among the inputs: kv of scale s is 1 + s. */
static int code_input(const attributes *a, int s) { return 1 + a->scales + s; }
static int gate_input(const attributes *a) { return 1 + a->scales * (a->has_code ? 2 : 1); }
static int length_input(const attributes *a) { return gate_input(a) + a->has_gate; }

static xr_status expect_inputs(const xr_node *node) {
  const attributes *a = xr_attributes(node);
  const xr_dtype dtype = xr_input_dtype(node, 0);
  const int64_t width = xr_input_shape(node, 0).dim[1], batch = xr_input_shape(node, 1).dim[0];
  for (int s = 0; s < a->scales; s++) {
    char what[48];
    XR_TRY(xr_expect_rank(node, 1 + s, 3, "keys and values"));
    snprintf(what, sizeof what, "keys and values of scale %d", s);
    XR_TRY(xr_expect_input(node, 1 + s, dtype, XR_SHAPE(batch, xr_input_shape(node, 1 + s).dim[1], 2 * width), what));
    if (a->has_code) XR_TRY(xr_expect_input(node, code_input(a, s), XR_F32, XR_SHAPE(width), "a scale code"));
  }
  if (a->has_gate) XR_TRY(xr_expect_input(node, gate_input(a), XR_F32, XR_SHAPE(width), "the gate"));
  return a->has_length ? xr_expect_input(node, length_input(a), XR_I32, XR_SHAPE(batch), "the key length") : XR_OK;
}

static xr_multiscale_attention sizes(const xr_node *node) {
  const attributes *a = xr_attributes(node);
  const int64_t width = xr_input_shape(node, 0).dim[1];
  xr_multiscale_attention k = {.batch = xr_input_shape(node, 1).dim[0],
                               .scales = a->scales,
                               .queries = xr_input_shape(node, 0).dim[0],
                               .heads = a->heads,
                               .head_dim = width / a->heads,
                               .dtype = xr_input_dtype(node, 0)};
  for (int s = 0; s < a->scales; s++) {
    k.at[s].keys = xr_input_shape(node, 1 + s).dim[1];
    k.at[s].row_stride = 2 * width;
    k.at[s].batch_stride = 2 * width * k.at[s].keys;
  }
  return k;
}

static xr_status infer(xr_node *node) {
  const attributes *a = xr_attributes(node);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 2, "the shared queries"));
  XR_TRY(expect_inputs(node));
  const xr_shape q = xr_input_shape(node, 0);
  if (a->heads < 1 || q.dim[1] % a->heads)
    return xr_fail(XR_BAD_SHAPE, "a width of %lld does not divide into %lld heads", (long long)q.dim[1], (long long)a->heads);
  const xr_multiscale_attention k = sizes(node);
  XR_TRY(xr_multiscale_attention_check(&k, false));
  const int results = a->has_gate ? 1 : 0, lse = a->has_gate ? 3 : 1;
  if (a->has_gate) {
    xr_set_output(node, 0, k.dtype, XR_SHAPE(k.batch, k.queries, q.dim[1]));
    xr_set_output(node, 2, XR_F32, XR_SHAPE(k.batch, k.scales, k.queries));
  }
  xr_set_output(node, results, k.dtype, XR_SHAPE(k.batch, k.scales, k.queries, q.dim[1]));
  xr_set_output(node, lse, XR_F32, XR_SHAPE(k.scales, k.batch, k.heads, k.queries));
  xr_set_keep(node, (1u << xr_input_count(node)) - 1, a->has_gate ? 1u << 1 | 1u << 2 | 1u << 3 : 1u << 0 | 1u << 1);
  return XR_OK;
}

/* The second half of each row of packed keys and values; NULL stays NULL. */
static void *values_of(const void *packed, int64_t width, xr_dtype dtype) {
  return packed ? (char *)packed + (size_t)width * xr_dtype_bytes(dtype) : NULL;
}

static xr_multiscale_attention arguments(const xr_node *node, const xr_run *run) {
  const attributes *a = xr_attributes(node);
  xr_multiscale_attention k = sizes(node);
  const int64_t width = k.heads * k.head_dim;
  k.q = run->in[0];
  k.dq = run->din[0];
  k.accumulate_dq = xr_bit(run->accumulate, 0);
  for (int s = 0; s < a->scales; s++) {
    xr_attention_scale *c = &k.at[s];
    c->k = run->in[1 + s];
    c->v = values_of(c->k, width, k.dtype);
    c->dk = run->din[1 + s];
    c->dv = values_of(c->dk, width, k.dtype);
    c->accumulate_dk = c->accumulate_dv = xr_bit(run->accumulate, 1 + s);
    c->key_length = a->has_length ? run->in[length_input(a)] : NULL;
    if (!a->has_code) continue;
    c->code = run->in[code_input(a, s)];
    c->dcode = run->din[code_input(a, s)];
    c->accumulate_dcode = xr_bit(run->accumulate, code_input(a, s));
  }
  if (a->has_gate) {
    k.gate = run->in[gate_input(a)];
    k.dgate = run->din[gate_input(a)];
    k.accumulate_dgate = xr_bit(run->accumulate, gate_input(a));
    k.fused = run->out[0];
    k.gates = run->out[2];
    k.dfused = run->dout[0];
  }
  k.per_scale = run->out[a->has_gate ? 1 : 0];
  k.dper_scale = run->dout[a->has_gate ? 1 : 0];
  k.lse = run->out[a->has_gate ? 3 : 1];
  k.workspace = run->workspace;
  return k;
}

static size_t workspace(const xr_node *node, xr_run_kind kind) {
  (void)kind;
  const xr_multiscale_attention k = sizes(node);
  return xr_multiscale_attention_workspace(&k);
}

static xr_status forward(const xr_node *node, const xr_run *run) {
  const xr_multiscale_attention k = arguments(node, run);
  return XR_ON(run, xr_multiscale_attention_forward, &k);
}

static xr_status backward(const xr_node *node, const xr_run *run) {
  const attributes *a = xr_attributes(node);
  for (int i = 0; i < length_input(a); i++)
    if (!run->din[i]) return xr_fail(XR_UNSUPPORTED, "multi-scale attention whose input %d needs no gradient", i);
  const xr_multiscale_attention k = arguments(node, run);
  return XR_ON(run, xr_multiscale_attention_backward, &k);
}

/* Two products forward, five backward, as for attention. */
static double flops(const xr_node *node, bool backward_pass) {
  const xr_multiscale_attention k = sizes(node);
  double keys = 0;
  for (int64_t s = 0; s < k.scales; s++) keys += (double)k.at[s].keys;
  return (backward_pass ? 10.0 : 4.0) * (double)k.batch * (double)(k.heads * k.head_dim) * (double)k.queries * keys;
}

static const xr_op gated_op = {.name = "multiscale_attention_gated",
                               .infer = infer,
                               .no_gradient_out = 1u << 2 | 1u << 3,
                               .workspace = workspace,
                               .flops = flops,
                               .forward = forward,
                               .backward = backward};

static const xr_op per_scale_op = {.name = "multiscale_attention",
                                   .infer = infer,
                                   .no_gradient_out = 1u << 1,
                                   .workspace = workspace,
                                   .flops = flops,
                                   .forward = forward,
                                   .backward = backward};

xr_var xr_multiscale_attention_of(xr_graph *g, const char *label, xr_var q, int scales, const xr_var *kv, xr_multiscale_options o) {
  if (scales < 1 || scales > XR_MULTISCALE_MAX_SCALES)
    return xr_graph_fail(g, XR_UNSUPPORTED, "%s: attention to %d scales; 1 to %d are supported", label, scales, XR_MULTISCALE_MAX_SCALES);
  const attributes a = {
      .heads = o.heads, .scales = scales, .has_code = o.code, .has_gate = o.gate.id != 0, .has_length = o.key_length.id != 0};
  xr_var in[3 + 2 * XR_MULTISCALE_MAX_SCALES] = {q}, out[4];
  for (int s = 0; s < scales; s++) {
    in[1 + s] = kv[s];
    if (o.code) in[code_input(&a, s)] = o.code[s];
  }
  if (a.has_gate) in[gate_input(&a)] = o.gate;
  if (a.has_length) in[length_input(&a)] = o.key_length;
  xr_apply(g, a.has_gate ? &gated_op : &per_scale_op, label, &a, sizeof a, length_input(&a) + a.has_length, in, a.has_gate ? 4 : 2, out);
  return out[0];
}

/* ---- scale_gate */
static xr_scale_gate gate_arguments(const xr_node *node, const xr_run *run) {
  const xr_shape z = xr_input_shape(node, 0);
  xr_scale_gate k = {.batch = z.dim[0], .scales = z.dim[1], .queries = z.dim[2], .width = z.dim[3], .dtype = xr_input_dtype(node, 0)};
  if (!run) return k;
  k.z = run->in[0];
  k.logits = run->in[1];
  k.out = run->out[0];
  k.gates = run->out[1];
  k.dout = run->dout[0];
  k.dz = run->din[0];
  k.dlogits = run->din[1];
  k.accumulate_dz = xr_bit(run->accumulate, 0);
  k.accumulate_dlogits = xr_bit(run->accumulate, 1);
  return k;
}

static xr_status gate_infer(xr_node *node) {
  const xr_shape z = xr_input_shape(node, 0);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 4, "the results of the scales"));
  const xr_shape rows = XR_SHAPE(z.dim[0], z.dim[1], z.dim[2]);
  XR_TRY(xr_expect_input(node, 1, XR_F32, rows, "the gate's logits"));
  const xr_scale_gate k = gate_arguments(node, NULL);
  XR_TRY(xr_scale_gate_check(&k));
  xr_set_output(node, 0, k.dtype, XR_SHAPE(z.dim[0], z.dim[2], z.dim[3]));
  xr_set_output(node, 1, XR_F32, rows);
  return XR_OK;
}

static xr_status gate_forward(const xr_node *node, const xr_run *run) {
  const xr_scale_gate k = gate_arguments(node, run);
  return XR_ON(run, xr_scale_gate_forward, &k);
}

static xr_status gate_backward(const xr_node *node, const xr_run *run) {
  const xr_scale_gate k = gate_arguments(node, run);
  return XR_ON(run, xr_scale_gate_backward, &k);
}

static const xr_op gate_op = {.name = "scale_gate",
                              .infer = gate_infer,
                              .keep_in = 1u << 0,
                              .keep_out = 1u << 1,
                              .no_gradient_out = 1u << 1,
                              .forward = gate_forward,
                              .backward = gate_backward};

xr_var xr_scale_gate_of(xr_graph *g, const char *label, xr_var z, xr_var logits) {
  xr_var out[2];
  xr_apply(g, &gate_op, label, NULL, 0, 2, (xr_var[]){z, logits}, 2, out);
  return out[0];
}
