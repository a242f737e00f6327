/* attention_row, token_weights, rank_weights, token_pool: embedding sets made of weighted tokens */
#include "host/ops/ops_internal.h"
#include "kernels/attention/attention_row.h"
#include "kernels/embedding_set/token_pool.h"

/* ---- attention_row: in qkv [B, N, 3 D] (, index i32 [B]); out f32 [B, N] */
typedef struct {
  int64_t heads;
} row_attributes;

static xr_attention_row row_arguments(const xr_node *node, const xr_run *run) {
  const row_attributes *o = xr_attributes(node);
  const xr_shape qkv = xr_input_shape(node, 0);
  xr_attention_row k = {.batch = qkv.dim[0],
                        .tokens = qkv.dim[1],
                        .heads = o->heads,
                        .head_dim = qkv.dim[2] / 3 / o->heads,
                        .dtype = xr_input_dtype(node, 0)};
  if (!run) return k;
  k.qkv = run->in[0];
  k.index = xr_input_count(node) > 1 ? run->in[1] : NULL;
  k.row = run->out[0];
  return k;
}

static xr_status row_infer(xr_node *node) {
  const row_attributes *o = xr_attributes(node);
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 3, "queries, keys and values"));
  const xr_shape qkv = xr_input_shape(node, 0);
  if (o->heads < 1 || qkv.dim[2] % (3 * o->heads))
    return xr_fail(XR_BAD_SHAPE, "%s does not divide into %lld heads", xr_shape_to_text(qkv).text, (long long)o->heads);
  if (xr_input_count(node) > 1) XR_TRY(xr_expect_input(node, 1, XR_I32, XR_SHAPE(qkv.dim[0]), "the index"));
  const xr_attention_row k = row_arguments(node, NULL);
  XR_TRY(xr_attention_row_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(qkv.dim[0], qkv.dim[1]));
  return XR_OK;
}

static xr_status row_forward(const xr_node *node, const xr_run *run) {
  const xr_attention_row k = row_arguments(node, run);
  return XR_ON(run, xr_attention_row_forward, &k);
}

static const xr_op row_op = {.name = "attention_row", .infer = row_infer, .no_gradient_out = 1u, .forward = row_forward};

xr_var xr_attention_row_of(xr_graph *g, const char *label, xr_var qkv, int64_t heads, xr_var index) {
  return xr_apply_one(g, &row_op, label, &(row_attributes){heads}, sizeof(row_attributes), index.id ? 2 : 1, (xr_var[]){qkv, index});
}

/* ---- token_weights: in logits f32 [B, N, C] (, length i32 [B]); out f32 [B, N, K] */
typedef struct {
  xr_token_weights_kind kind;
} weights_attributes;

static xr_token_weights weights_arguments(const xr_node *node, const xr_run *run) {
  const weights_attributes *o = xr_attributes(node);
  const xr_shape a = xr_input_shape(node, 0);
  xr_token_weights k = {.batch = a.dim[0], .tokens = a.dim[1], .set = a.dim[2] - (o->kind == XR_WEIGHTS_SHARES), .kind = o->kind};
  if (!run) return k;
  k.logits = run->in[0];
  k.length = xr_input_count(node) > 1 ? run->in[1] : NULL;
  k.weights = run->out[0];
  k.dweights = run->dout[0];
  k.dlogits = run->din[0];
  k.accumulate_dlogits = xr_bit(run->accumulate, 0);
  return k;
}

static xr_status weights_infer(xr_node *node) {
  const xr_shape a = xr_input_shape(node, 0);
  XR_TRY(xr_expect_rank(node, 0, 3, "the logits"));
  XR_TRY(xr_expect_input(node, 0, XR_F32, a, "the logits"));
  if (xr_input_count(node) > 1) XR_TRY(xr_expect_input(node, 1, XR_I32, XR_SHAPE(a.dim[0]), "the length"));
  const xr_token_weights k = weights_arguments(node, NULL);
  XR_TRY(xr_token_weights_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(k.batch, k.tokens, k.set));
  return XR_OK;
}

static xr_status weights_forward(const xr_node *node, const xr_run *run) {
  const xr_token_weights k = weights_arguments(node, run);
  return XR_ON(run, xr_token_weights_forward, &k);
}

static xr_status weights_backward(const xr_node *node, const xr_run *run) {
  const xr_token_weights k = weights_arguments(node, run);
  return XR_ON(run, xr_token_weights_backward, &k);
}

static const xr_op weights_op = {.name = "token_weights",
                                 .infer = weights_infer,
                                 .keep_in = 1u << 0 | 1u << 1,
                                 .keep_out = 1u,
                                 .forward = weights_forward,
                                 .backward = weights_backward};

xr_var xr_token_weights_of(xr_graph *g, const char *label, xr_var logits, xr_var length, xr_token_weights_kind kind) {
  return xr_apply_one(g, &weights_op, label, &(weights_attributes){kind}, sizeof(weights_attributes), length.id ? 2 : 1,
                      (xr_var[]){logits, length});
}

/* ---- rank_weights: in score f32 [B, N] (, length i32 [B]); out f32 [B, N, K] */
typedef struct {
  int64_t set;
  float ratio;
} rank_attributes;

static xr_rank_weights rank_arguments(const xr_node *node, const xr_run *run) {
  const rank_attributes *o = xr_attributes(node);
  const xr_shape score = xr_input_shape(node, 0);
  xr_rank_weights k = {.batch = score.dim[0], .tokens = score.dim[1], .set = o->set, .ratio = o->ratio};
  if (!run) return k;
  k.score = run->in[0];
  k.length = xr_input_count(node) > 1 ? run->in[1] : NULL;
  k.weights = run->out[0];
  return k;
}

static xr_status rank_infer(xr_node *node) {
  const xr_shape score = xr_input_shape(node, 0);
  XR_TRY(xr_expect_rank(node, 0, 2, "the scores"));
  XR_TRY(xr_expect_input(node, 0, XR_F32, score, "the scores"));
  if (xr_input_count(node) > 1) XR_TRY(xr_expect_input(node, 1, XR_I32, XR_SHAPE(score.dim[0]), "the length"));
  const xr_rank_weights k = rank_arguments(node, NULL);
  XR_TRY(xr_rank_weights_check(&k));
  xr_set_output(node, 0, XR_F32, XR_SHAPE(k.batch, k.tokens, k.set));
  return XR_OK;
}

static xr_status rank_forward(const xr_node *node, const xr_run *run) {
  const xr_rank_weights k = rank_arguments(node, run);
  return XR_ON(run, xr_rank_weights_forward, &k);
}

static const xr_op rank_op = {.name = "rank_weights", .infer = rank_infer, .no_gradient_out = 1u, .forward = rank_forward};

xr_var xr_rank_weights_of(xr_graph *g, const char *label, xr_var score, xr_var length, int64_t set, float ratio) {
  const rank_attributes attributes = {set, ratio};
  return xr_apply_one(g, &rank_op, label, &attributes, sizeof attributes, length.id ? 2 : 1, (xr_var[]){score, length});
}

/* ---- token_pool: in x [B, N, D], weights f32 [B, N, K]; out [B, K, D] */
static xr_token_pool pool_arguments(const xr_node *node, const xr_run *run) {
  const xr_shape x = xr_input_shape(node, 0);
  xr_token_pool k = {.batch = x.dim[0],
                     .tokens = x.dim[1],
                     .set = xr_last_dim(xr_input_shape(node, 1)),
                     .width = x.dim[2],
                     .dtype = xr_input_dtype(node, 0)};
  if (!run) return k;
  k.x = run->in[0];
  k.weights = run->in[1];
  k.y = run->out[0];
  k.dy = run->dout[0];
  k.dx = run->din[0];
  k.dweights = run->din[1];
  k.accumulate_dx = xr_bit(run->accumulate, 0);
  k.accumulate_dweights = xr_bit(run->accumulate, 1);
  return k;
}

static xr_status pool_infer(xr_node *node) {
  XR_TRY(xr_expect_float(node, 0));
  XR_TRY(xr_expect_rank(node, 0, 3, "the tokens"));
  XR_TRY(xr_expect_rank(node, 1, 3, "the weights"));
  const xr_token_pool k = pool_arguments(node, NULL);
  XR_TRY(xr_expect_input(node, 1, XR_F32, XR_SHAPE(k.batch, k.tokens, k.set), "the weights"));
  XR_TRY(xr_token_pool_check(&k));
  xr_set_output(node, 0, k.dtype, XR_SHAPE(k.batch, k.set, k.width));
  return XR_OK;
}

static xr_status pool_forward(const xr_node *node, const xr_run *run) {
  const xr_token_pool k = pool_arguments(node, run);
  return XR_ON(run, xr_token_pool_forward, &k);
}

static xr_status pool_backward(const xr_node *node, const xr_run *run) {
  const xr_token_pool k = pool_arguments(node, run);
  return XR_ON(run, xr_token_pool_backward, &k);
}

static double pool_flops(const xr_node *node, bool backward) {
  const xr_token_pool k = pool_arguments(node, NULL);
  return (backward ? 4.0 : 2.0) * (double)k.batch * (double)k.tokens * (double)k.set * (double)k.width;
}

static const xr_op pool_op = {.name = "token_pool",
                              .infer = pool_infer,
                              .keep_in = 1u << 0 | 1u << 1,
                              .flops = pool_flops,
                              .forward = pool_forward,
                              .backward = pool_backward};

xr_var xr_token_pool_of(xr_graph *g, const char *label, xr_var x, xr_var weights) {
  return xr_apply_one(g, &pool_op, label, NULL, 0, 2, (xr_var[]){x, weights});
}
