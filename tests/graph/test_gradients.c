/* Every operation of host/ops: its gradient against finite differences, through a whole plan.
 *
 * The operation's float inputs are parameters; the loss is its result's inner product with a fixed random vector. For a random direction d
 * of unit length, (L(p + h d) - L(p - h d)) / 2h must equal g . d. With L computed in f32, the difference carries a rounding error of
 * about eps |L| / h and a truncation error of order h^2: h = 1e-2 balances them, and the bound follows from both. */
#include <criterion/criterion.h>
#include <math.h>

#include "host/base/memory.h"
#include "host/base/random.h"
#include "host/graph/executor.h"
#include "host/ops/ops.h"

enum { MAX_PARAMETERS = 6 };

typedef struct {
  const char *name;
  int parameters;
  xr_shape shape[MAX_PARAMETERS];
  xr_var (*build)(
      xr_graph *g, const xr_var *p,
      xr_var *integers); /* i32 inputs it may make: the first is filled with 0, 1, 2, .. modulo 3, the second with 0, 1, 2, .. */
  bool is_loss;
} gradient_case;

static xr_var linear(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_linear_with(g, "op", p[0], p[1], p[2], (xr_linear_options){0});
}
static xr_var linear_quick_gelu(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_linear_with(g, "op", p[0], p[1], p[2], (xr_linear_options){.activation = XR_ACTIVATION_QUICK_GELU});
}
/* The weight's gradient has a first writer and a second one; each bias has one. */
static xr_var linear_shared_weight(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  const xr_linear_options plain = {0};
  return xr_add_of(g, "sum", xr_linear_with(g, "a", p[0], p[1], p[2], plain), xr_linear_with(g, "b", p[0], p[1], p[3], plain));
}
static xr_var linear_gelu_transposed(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_linear_with(g, "op", p[0], p[1], p[2], (xr_linear_options){.activation = XR_ACTIVATION_GELU, .transposed = true});
}
static xr_var matmul(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_matmul_transposed(g, "op", p[0], p[1]);
}
static xr_var matmul_of_view(xr_graph *g, const xr_var *p, xr_var *n) { /* a parameter under another shape */
  (void)n;
  return xr_matmul_transposed(g, "op", xr_reshape(g, "view", p[0], XR_SHAPE(4, 5)), p[1]);
}
static xr_var layernorm(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_layernorm_of(g, p[0], "ln", 1e-5f);
}
static xr_var add_layernorm(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f), sum, y = xr_add_layernorm(g, x, p[1], "ln", 1e-5f, &sum);
  return xr_add_of(g, "both", xr_add_of(g, "again", sum, y), x); /* x has two consumers, sum too */
}
static xr_var l2(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_l2_normalize_rows(g, "op", p[0]);
}
static xr_var self_attention(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_self_attention(g, "op", xr_scale_by(g, "qkv", p[0], 1), (xr_attention_options){.heads = 2, .causal = true});
}
static xr_var cross_attention(xr_graph *g, const xr_var *p, xr_var *n) {
  *n = xr_input(g, "length", XR_I32, XR_SHAPE(2));
  return xr_cross_attention(g, "op", xr_scale_by(g, "q", p[0], 1), xr_scale_by(g, "kv", p[1], 1),
                            (xr_attention_options){.heads = 2, .key_length = *n});
}
static xr_var multiscale(xr_graph *g, const xr_var *p, xr_var *n) {
  *n = xr_input(g, "length", XR_I32, XR_SHAPE(3));
  const xr_var kv[] = {xr_scale_by(g, "first", p[1], 1), xr_scale_by(g, "second", p[2], 1)};
  return xr_multiscale_attention_of(g, "op", xr_scale_by(g, "q", p[0], 1), 2, kv, (xr_multiscale_options){.heads = 2, .key_length = *n});
}
static xr_var multiscale_gated(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  const xr_var kv[] = {xr_scale_by(g, "first", p[1], 1), xr_scale_by(g, "second", p[2], 1)};
  return xr_multiscale_attention_of(g, "op", xr_scale_by(g, "q", p[0], 1), 2, kv,
                                    (xr_multiscale_options){.heads = 2, .code = &p[3], .gate = xr_scale_by(g, "gate", p[5], 0.5f)});
}
static xr_var slot_attention(xr_graph *g, const xr_var *p, xr_var *n) { /* one sample without a token; keys and values are used twice */
  *n = xr_input(g, "length", XR_I32, XR_SHAPE(3));
  xr_var q = xr_scale_by(g, "q", p[0], 1), kv = xr_scale_by(g, "kv", p[1], 1);
  return xr_slot_attention_of(g, "again", xr_slot_attention_of(g, "op", q, kv, 2, *n), kv, 3, (xr_var){0});
}
static xr_var scale_gate(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_scale_gate_of(g, "op", xr_scale_by(g, "z", p[0], 1), xr_scale_by(g, "logits", p[1], 1));
}
static xr_var class_token(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_class_token_and_position(g, "op", p[0], p[1], p[2]);
}
static xr_var embedding(xr_graph *g, const xr_var *p, xr_var *n) {
  *n = xr_input(g, "ids", XR_I32, XR_SHAPE(3, 2));
  return xr_embed_tokens(g, "op", *n, p[0], p[1]);
}
static xr_var pick(xr_graph *g, const xr_var *p, xr_var *n) {
  *n = xr_input(g, "index", XR_I32, XR_SHAPE(3));
  return xr_pick_token(g, "op", p[0], *n);
}
static xr_var take_rows(xr_graph *g, const xr_var *p, xr_var *n) { /* rows 0, 1, 2, 0, .. would not ascend: three are asked for */
  *n = xr_input(g, "index", XR_I32, XR_SHAPE(3));
  return xr_take_rows_of(g, "op", p[0], *n);
}
static xr_var cross_projection(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1), tokens = xr_scale_by(g, "tokens", p[1], 1), q, kv, again, rest;
  xr_cross_projection(g, "op", x, tokens, p[2], p[3], &q, &kv);
  xr_cross_projection(g, "twice", q, x, p[2], p[3], &again, &rest); /* the parameters' gradients are assigned, then added to */
  return xr_cross_attention(g, "attention", xr_add_of(g, "sum", q, again), xr_concat_of(g, "both", 2, (xr_var[]){kv, rest}, 1),
                            (xr_attention_options){.heads = 1});
}
static xr_var token_at(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_token_at(g, "op", p[0], 1);
}
static xr_var masked_mean(xr_graph *g, const xr_var *p, xr_var *n) {
  *n = xr_input(g, "length", XR_I32, XR_SHAPE(3));
  return xr_masked_mean_of(g, "op", p[0], *n, 0);
}
static xr_var grid_mean(xr_graph *g, const xr_var *p, xr_var *n) { /* with and without a class token; both add to the gradient of x */
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f), grid = xr_slice_of(g, "grid", x, 1, 1, 24);
  return xr_add_of(g, "both", xr_grid_mean_of(g, "op", x, 6, 4, 2), xr_grid_mean_of(g, "grid", xr_add_of(g, "sum", grid, grid), 4, 6, 2));
}
static xr_var token_conv(xr_graph *g, const xr_var *p, xr_var *n) {
  *n = xr_input(g, "length", XR_I32, XR_SHAPE(3));
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f), y = xr_token_conv_of(g, "op", x, p[1], *n);
  return xr_add_of(g, "both", xr_token_conv_of(g, "again", xr_add_of(g, "sum", x, y), p[1], (xr_var){0}),
                   xr_token_conv_of(g, "wide", x, p[2], *n));
}
/* Every kind of kernel; x, a weight and the sum have two readers. */
static xr_var conv2d(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f), y = xr_conv2d_with(g, "op", x, p[1], p[2], 2, 1);
  xr_var point = xr_conv2d_with(g, "point", x, p[3], (xr_var){0}, 2, 0), sum = xr_add_of(g, "sum", y, point);
  return xr_add_of(g, "both", xr_conv2d_with(g, "again", sum, p[4], p[2], 1, 1), xr_conv2d_with(g, "product", sum, p[5], p[2], 1, 0));
}
static xr_var conv2d_shared_weight(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f);
  return xr_add_of(g, "sum", xr_conv2d_with(g, "a", x, p[1], p[2], 1, 1), xr_conv2d_with(g, "b", x, p[1], p[3], 1, 1));
}
static xr_var elementwise(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_activate(g, "gelu", xr_scale_by(g, "scale", p[0], -0.7f), XR_ACTIVATION_GELU);
  return xr_add_of(g, "op", x, xr_activate(g, "quick", xr_add_of(g, "sum", x, p[1]), XR_ACTIVATION_QUICK_GELU));
}
static xr_var bounded(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_activate(g, "tanh", xr_activate(g, "logistic", xr_scale_by(g, "scale", p[0], 3), XR_ACTIVATION_LOGISTIC), XR_ACTIVATION_TANH);
}
static xr_var add_to_itself(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f);
  return xr_add_of(g, "op", x, x);
}
static xr_var add_broadcast(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f), v = xr_scale_by(g, "v", p[1], -1);
  return xr_add_broadcast(g, "vector", xr_add_broadcast(g, "tensor", x, v), p[2]);
}
static xr_var add_broadcast_shared(xr_graph *g, const xr_var *p, xr_var *n) { /* both gradients are added to, of the same shape */
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f), y = xr_add_broadcast(g, "op", x, p[1]);
  return xr_add_broadcast(g, "again", xr_add_of(g, "both", y, xr_add_broadcast(g, "itself", x, x)), p[1]);
}
static xr_var layer_scale(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f);
  xr_var branch = xr_activate(g, "branch", xr_add_of(g, "sum", x, p[1]), XR_ACTIVATION_GELU);
  return xr_layer_scale(g, "op", x, branch, xr_scale_by(g, "gamma", p[2], 1));
}
static xr_var layer_scale_itself(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f), y = xr_layer_scale(g, "op", x, x, p[1]);
  return xr_layer_scale(g, "again", x, y, p[1]);
}
static xr_var pair_features(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var v = xr_scale_by(g, "v", p[0], 1.5f), t = xr_scale_by(g, "t", p[1], 1), u = xr_scale_by(g, "u", p[1], 0.5f);
  return xr_add_of(g, "both", xr_pair_features(g, "op", v, t), xr_pair_features(g, "same", u, u));
}
static xr_var gated_mix(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var z = xr_scale_by(g, "z", p[0], 1.5f), a = xr_scale_by(g, "a", p[1], 1), b = xr_scale_by(g, "b", p[2], 1);
  xr_var mixed = xr_gated_mix(g, "op", z, a, b);
  return xr_gated_mix(g, "itself", mixed, mixed, mixed);
}
static xr_var dropout(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_dropout_of(g, "op", xr_scale_by(g, "x", p[0], 1), 0.4f);
}
static xr_var copies(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var joined = xr_concat_of(g, "concat", 2, (xr_var[]){p[0], p[1]}, 1);                         /* [2, 5, 4] */
  xr_var turned = xr_transpose_axes(g, "transpose", joined, (const int[XR_MAX_RANK]){2, 0, 1, 0}); /* [4, 2, 5] */
  return xr_reshape(g, "reshape", xr_slice_of(g, "slice", turned, 2, 1, 3), XR_SHAPE(8, 3));
}
static xr_var repeat(xr_graph *g, const xr_var *p, xr_var *n) { /* in front, in between, behind; gradients are added to */
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f), front = xr_repeat_of(g, "front", x, 0, 3), behind = xr_repeat_of(g, "behind", p[0], 2, 3);
  return xr_concat_of(g, "all", 3,
                      (xr_var[]){front, xr_repeat_of(g, "between", p[1], 1, 4), xr_reshape(g, "flat", behind, XR_SHAPE(3, 4, 5))}, 0);
}
static xr_var cross_entropy(xr_graph *g, const xr_var *p, xr_var *n) {
  *n = xr_input(g, "labels", XR_I32, XR_SHAPE(5));
  return xr_cross_entropy_loss(g, "op", xr_scale_by(g, "logits", p[0], 1), *n, 0.1f);
}
static xr_var sdm(xr_graph *g, const xr_var *p, xr_var *n) {
  *n = xr_input(g, "identity", XR_I32, XR_SHAPE(6));
  return xr_sdm_loss(g, "op", xr_scale_by(g, "cosine", p[0], 1), *n, (xr_var){0}, (xr_sdm_options){.temperature = 0.5f, .semi_weight = 1});
}
static xr_var centres(xr_graph *g, const xr_var *p, xr_var *n, xr_centre_options options) {
  *n = xr_input(g, "identity", XR_I32, XR_SHAPE(7));
  xr_var x[3];
  for (int i = 0; i < 3; i++) x[i] = xr_l2_normalize_rows(g, (const char *[]){"a", "b", "c"}[i], p[i]);
  return xr_centre_alignment_loss(g, "op", 3, x, *n, options, NULL);
}
static xr_var centre_distances(xr_graph *g, const xr_var *p, xr_var *n) {
  return centres(g, p, n, (xr_centre_options){.kind = XR_CENTRE_L2});
}
static xr_var centre_matrices(xr_graph *g, const xr_var *p, xr_var *n) { /* the margin keeps every hinge active */
  return centres(g, p, n, (xr_centre_options){.kind = XR_CENTRE_SDM, .tau = 0.5f, .separation_weight = 0.5f, .separation_margin = 3});
}
static xr_var gather_samples(xr_graph *g, const xr_var *p, xr_var *n) { /* of 4: 0, 1, 2, 0, 1, 2, 0 */
  *n = xr_input(g, "index", XR_I32, XR_SHAPE(7));
  return xr_gather_samples_of(g, "op", p[0], *n);
}
static xr_var semi_positive_triplet(xr_graph *g, const xr_var *p, xr_var *n) { /* smooth: nothing is chosen, every hinge is active */
  n[0] = xr_input(g, "identity", XR_I32, XR_SHAPE(7));
  n[1] = xr_input(g, "image", XR_I32, XR_SHAPE(7));
  xr_triplet_options options = {.kind = XR_TRIPLET_SOFT, .semi = XR_SEMI_MEAN, .margin = 20, .beta = 0.5f, .gamma = 0.25f};
  options.order_margin = 20;
  options.tau = 0.5f;
  options.adaptive_from = -1; /* an adaptive margin is a constant to the gradient only */
  return xr_semi_positive_triplet_loss(g, "op", xr_scale_by(g, "cosine", p[0], 1), n[0], n[1], options);
}
static xr_var set_similarity(xr_graph *g, const xr_var *p, xr_var *n, xr_set_kind kind) {
  (void)n;
  xr_var a = xr_l2_normalize_rows(g, "a", p[0]), b = xr_l2_normalize_rows(g, "b", p[1]);
  const xr_set_similarity_options options = {.kind = kind, .sharpness = 4};
  return xr_add_of(g, "both", xr_set_similarity_of(g, "op", a, b, options), xr_set_similarity_of(g, "again", a, b, options));
}
static xr_var set_smooth_chamfer(xr_graph *g, const xr_var *p, xr_var *n) { return set_similarity(g, p, n, XR_SET_SMOOTH_CHAMFER); }
static xr_var set_average(xr_graph *g, const xr_var *p, xr_var *n) { return set_similarity(g, p, n, XR_SET_AVERAGE); }
static xr_var set_reduce_twice(xr_graph *g, const xr_var *p, xr_var *n) { /* the gradient of the cosines is added to */
  (void)n;
  xr_var cosine = xr_scale_by(g, "cosine", p[0], 0.5f);
  const xr_set_similarity_options options = {.kind = XR_SET_SMOOTH_CHAMFER, .sharpness = 2};
  return xr_matmul_transposed(g, "both", xr_set_reduce(g, "op", cosine, 2, 3, options), xr_set_reduce(g, "turned", cosine, 1, 3, options));
}
static xr_var mmd(xr_graph *g, const xr_var *p, xr_var *n, xr_mmd_kernel kernel) {
  (void)n;
  xr_var x = xr_l2_normalize_rows(g, "x", p[0]), y = xr_l2_normalize_rows(g, "y", p[1]);
  return xr_mmd_loss(g, "op", x, y, (xr_mmd_options){kernel, 0.5f});
}
static xr_var mmd_laplace(xr_graph *g, const xr_var *p, xr_var *n) { return mmd(g, p, n, XR_MMD_LAPLACE); }
static xr_var mmd_gauss(xr_graph *g, const xr_var *p, xr_var *n) { return mmd(g, p, n, XR_MMD_GAUSS); }
static xr_var set_spread(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_l2_normalize_rows(g, "x", p[0]), terms[XR_SPREAD_KINDS];
  for (int k = 0; k < XR_SPREAD_KINDS; k++)
    terms[k] = xr_set_spread_of(g, (const char *[]){"uniformity", "diversity", "cosine"}[k], x, (xr_spread_kind)k);
  return xr_weighted_loss(g, "sum", XR_SPREAD_KINDS, terms, (float[]){1, 2, 0.5f});
}
static xr_var semantic_margin(xr_graph *g, const xr_var *p, xr_var *n) { /* smooth, too */
  n[0] = xr_input(g, "identity", XR_I32, XR_SHAPE(7));
  n[1] = xr_input(g, "image", XR_I32, XR_SHAPE(7));
  const xr_margin_options options = {
      .kind = XR_MARGIN_FIXED, .reduction = XR_MARGIN_LSE, .positives = XR_MARGIN_ALL_SAME_PID, .margin = 20, .tau = 0.5f};
  const xr_var none = {0};
  return xr_semantic_margin_loss(g, "op", xr_scale_by(g, "similarity", p[0], 1), none, n[0], n[1], none, options);
}
static xr_var wrt(xr_graph *g, const xr_var *p, xr_var *n) {
  *n = xr_input(g, "identity", XR_I32, XR_SHAPE(7));
  return xr_weighted_regularized_triplet_loss(g, "op", xr_scale_by(g, "x", p[0], 1.5f), *n, (xr_wrt_options){.agw = false});
}
static xr_var centre_mining(xr_graph *g, const xr_var *p, xr_var *n) { /* the margin keeps every hinge active */
  *n = xr_input(g, "identity", XR_I32, XR_SHAPE(7));
  const xr_mining_options options = {.kind = XR_MINING_ICM, .pull = 1, .mine = 0.5f, .push = 0.5f, .rho = 4};
  return xr_centre_mining_loss(g, "op", xr_l2_normalize_rows(g, "x", p[0]), *n, 4, options);
}
static xr_var centre_ratio(xr_graph *g, const xr_var *p, xr_var *n) {
  *n = xr_input(g, "identity", XR_I32, XR_SHAPE(7));
  return xr_centre_mining_loss(g, "op", xr_l2_normalize_rows(g, "x", p[0]), *n, 4, (xr_mining_options){.kind = XR_MINING_DCL});
}
static xr_var token_pool(xr_graph *g, const xr_var *p, xr_var *n) { /* weights and tokens are read twice: their gradients are added to */
  *n = xr_input(g, "length", XR_I32, XR_SHAPE(3));
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f), logits = xr_scale_by(g, "logits", p[1], 1);
  xr_var w = xr_token_weights_of(g, "softmax", logits, *n, XR_WEIGHTS_SOFTMAX);
  xr_var shares = xr_token_weights_of(g, "shares", logits, (xr_var){0}, XR_WEIGHTS_SHARES);
  return xr_concat_of(
      g, "all", 3,
      (xr_var[]){xr_token_pool_of(g, "op", x, w), xr_token_pool_of(g, "again", x, w), xr_token_pool_of(g, "shared", x, shares)}, 1);
}
static xr_var losses(xr_graph *g, const xr_var *p, xr_var *n) {
  *n = xr_input(g, "labels", XR_I32, XR_SHAPE(5));
  xr_var a = xr_cross_entropy_loss(g, "a", p[0], *n, 0), b = xr_cross_entropy_loss(g, "b", xr_scale_by(g, "half", p[0], 0.5f), *n, 0);
  return xr_weighted_loss(g, "op", 3, (xr_var[]){a, b, a}, (float[]){0.3f, 2, 0.5f}); /* a twice: its gradient is added to */
}

#define SHAPE(rank_, ...)                 \
  {                                       \
    .rank = rank_, .dim = { __VA_ARGS__ } \
  }
static xr_var batchnorm(xr_graph *g, const xr_var *p, xr_var *n) { /* its input and its result are used twice */
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f), y = xr_batchnorm_of(g, x, "bn1", (xr_batchnorm_options){.freeze_bias = true});
  return xr_add_of(g, "both", xr_batchnorm_of(g, xr_add_of(g, "sum", x, y), "bn2", (xr_batchnorm_options){.eps = 0.5f}), y);
}
static xr_var batchnorm_add(xr_graph *g, const xr_var *p, xr_var *n) { /* the bias keeps every ReLU away from its corner */
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f), add = xr_add_broadcast(g, "shifted", xr_scale_by(g, "add", p[1], 0.125f), p[2]);
  xr_var y = xr_batchnorm_of(g, x, "bn1", (xr_batchnorm_options){.add = add, .relu = true});
  return xr_add_of(g, "both", y, xr_batchnorm_of(g, y, "bn2", (xr_batchnorm_options){.add = y}));
}
static xr_var batchnorm_again(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f);
  xr_recompute_begin(g);
  xr_var y = xr_batchnorm_of(g, xr_batchnorm_of(g, x, "bn1", (xr_batchnorm_options){0}), "bn2", (xr_batchnorm_options){.add = x});
  xr_recompute_end(g);
  return xr_activate(g, "behind", y, XR_ACTIVATION_GELU);
}
static xr_var max_pool(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f);
  return xr_add_of(g, "both", xr_max_pool_of(g, "op", x, (xr_max_pool_options){3, 2, 1}),
                   xr_max_pool_of(g, "again", x, (xr_max_pool_options){5, 2, 2}));
}
static xr_var average_pool(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  return xr_average_pool_of(g, "op", xr_scale_by(g, "x", p[0], 1.5f));
}
static xr_var positive(xr_graph *g, xr_var x) { return xr_activate(g, "logistic", x, XR_ACTIVATION_LOGISTIC); }
static xr_var gem(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = positive(g, p[0]);
  return xr_add_of(g, "both", xr_gem_of(g, x, "op", (xr_gem_options){0}), xr_gem_of(g, x, "gem", (xr_gem_options){2.5f, true}));
}
static xr_var resize_bilinear(xr_graph *g, const xr_var *p, xr_var *n) {
  (void)n;
  xr_var x = xr_scale_by(g, "x", p[0], 1.5f), y = xr_resize_bilinear_of(g, "op", x, 7, 2);
  return xr_resize_bilinear_of(g, "back", xr_add_of(g, "both", y, xr_resize_bilinear_of(g, "again", x, 7, 2)), 3, 3);
}

static const gradient_case cases[] = {
    {"linear", 3, {SHAPE(3, 2, 3, 5), SHAPE(2, 7, 5), SHAPE(1, 7)}, linear, false},
    {"linear with quick GELU", 3, {SHAPE(2, 6, 5), SHAPE(2, 9, 5), SHAPE(1, 9)}, linear_quick_gelu, false},
    {"linear, one weight and two biases", 4, {SHAPE(2, 6, 5), SHAPE(2, 9, 5), SHAPE(1, 9), SHAPE(1, 9)}, linear_shared_weight, false},
    {"linear transposed with GELU", 3, {SHAPE(2, 6, 5), SHAPE(2, 5, 9), SHAPE(1, 9)}, linear_gelu_transposed, false},
    {"matmul_transposed", 2, {SHAPE(2, 4, 5), SHAPE(2, 3, 5)}, matmul, false},
    {"matmul_transposed of a view", 2, {SHAPE(3, 2, 2, 5), SHAPE(2, 3, 5)}, matmul_of_view, false},
    {"layernorm", 1, {SHAPE(2, 5, 9)}, layernorm, false},
    {"add_layernorm", 2, {SHAPE(2, 5, 9), SHAPE(2, 5, 9)}, add_layernorm, false},
    {"l2_normalize", 1, {SHAPE(2, 5, 9)}, l2, false},
    {"self-attention", 1, {SHAPE(3, 2, 5, 18)}, self_attention, false},
    {"cross-attention", 2, {SHAPE(3, 2, 3, 6), SHAPE(3, 2, 4, 12)}, cross_attention, false},
    {"multi-scale attention", 3, {SHAPE(2, 3, 6), SHAPE(3, 3, 4, 12), SHAPE(3, 3, 2, 12)}, multiscale, false},
    {"multi-scale attention with codes and gate",
     6,
     {SHAPE(2, 3, 6), SHAPE(3, 2, 4, 12), SHAPE(3, 2, 3, 12), SHAPE(1, 6), SHAPE(1, 6), SHAPE(1, 6)},
     multiscale_gated,
     false},
    {"slot_attention", 2, {SHAPE(3, 3, 4, 6), SHAPE(3, 3, 5, 12)}, slot_attention, false},
    {"scale_gate", 2, {SHAPE(4, 2, 3, 2, 5), SHAPE(3, 2, 3, 2)}, scale_gate, false},
    {"class_token", 3, {SHAPE(3, 2, 3, 5), SHAPE(1, 5), SHAPE(2, 4, 5)}, class_token, false},
    {"token_embedding", 2, {SHAPE(2, 3, 5), SHAPE(2, 2, 5)}, embedding, false},
    {"pick_token", 1, {SHAPE(3, 3, 4, 5)}, pick, false},
    {"take_rows", 1, {SHAPE(3, 2, 3, 5)}, take_rows, false},
    {"cross_projection", 4, {SHAPE(3, 2, 3, 4), SHAPE(3, 2, 5, 4), SHAPE(2, 12, 4), SHAPE(1, 12)}, cross_projection, false},
    {"token_at", 1, {SHAPE(3, 3, 4, 5)}, token_at, false},
    {"masked_mean", 1, {SHAPE(3, 3, 4, 5)}, masked_mean, false},
    {"grid_mean", 1, {SHAPE(3, 2, 25, 5)}, grid_mean, false},
    {"token_conv", 3, {SHAPE(3, 3, 4, 5), SHAPE(2, 5, 3), SHAPE(2, 5, 9)}, token_conv, false},
    {"conv2d",
     6,
     {SHAPE(4, 2, 5, 4, 3), SHAPE(4, 2, 3, 3, 3), SHAPE(1, 2), SHAPE(4, 2, 1, 1, 3), SHAPE(4, 2, 3, 3, 2), SHAPE(4, 2, 1, 1, 2)},
     conv2d,
     false},
    {"conv2d, one weight and two biases",
     4,
     {SHAPE(4, 2, 3, 4, 3), SHAPE(4, 2, 3, 3, 3), SHAPE(1, 2), SHAPE(1, 2)},
     conv2d_shared_weight,
     false},
    {"scale, add, activations", 2, {SHAPE(2, 5, 9), SHAPE(2, 5, 9)}, elementwise, false},
    {"add to itself", 1, {SHAPE(2, 5, 9)}, add_to_itself, false},
    {"add_broadcast", 3, {SHAPE(4, 3, 2, 4, 5), SHAPE(2, 4, 5), SHAPE(1, 5)}, add_broadcast, false},
    {"add_broadcast of one row", 2, {SHAPE(2, 3, 5), SHAPE(2, 3, 5)}, add_broadcast_shared, false},
    {"layer_scale", 3, {SHAPE(3, 2, 5, 9), SHAPE(3, 2, 5, 9), SHAPE(1, 9)}, layer_scale, false},
    {"layer_scale of one tensor", 2, {SHAPE(2, 40, 3), SHAPE(1, 3)}, layer_scale_itself, false},
    {"pair_features", 2, {SHAPE(3, 2, 5, 3), SHAPE(3, 2, 5, 3)}, pair_features, false},
    {"gated_mix", 3, {SHAPE(2, 5, 9), SHAPE(2, 5, 9), SHAPE(2, 5, 9)}, gated_mix, false},
    {"dropout", 1, {SHAPE(2, 5, 9)}, dropout, false},
    {"concat, transpose, slice, reshape", 2, {SHAPE(3, 2, 2, 4), SHAPE(3, 2, 3, 4)}, copies, false},
    {"repeat", 2, {SHAPE(2, 4, 5), SHAPE(2, 3, 5)}, repeat, false},
    {"cross_entropy", 1, {SHAPE(2, 5, 3)}, cross_entropy, true},
    {"sdm", 1, {SHAPE(2, 6, 6)}, sdm, true},
    {"centre_alignment", 3, {SHAPE(2, 7, 5), SHAPE(2, 7, 5), SHAPE(2, 7, 5)}, centre_distances, true},
    {"centre_alignment of kind sdm", 3, {SHAPE(2, 7, 5), SHAPE(2, 7, 5), SHAPE(2, 7, 5)}, centre_matrices, true},
    {"gather_samples", 1, {SHAPE(3, 4, 2, 3)}, gather_samples, false},
    {"semi_positive_triplet", 1, {SHAPE(2, 7, 7)}, semi_positive_triplet, true},
    {"semantic_margin", 1, {SHAPE(2, 7, 7)}, semantic_margin, true},
    {"set_similarity", 2, {SHAPE(3, 3, 2, 5), SHAPE(3, 4, 3, 5)}, set_smooth_chamfer, false},
    {"set_similarity of kind average", 2, {SHAPE(3, 3, 2, 5), SHAPE(3, 2, 1, 5)}, set_average, false},
    {"set_reduce", 1, {SHAPE(2, 4, 6)}, set_reduce_twice, false},
    {"mmd", 2, {SHAPE(3, 2, 3, 5), SHAPE(2, 5, 5)}, mmd_laplace, true},
    {"mmd of kind gauss", 2, {SHAPE(3, 2, 3, 5), SHAPE(2, 5, 5)}, mmd_gauss, true},
    {"set_spread", 1, {SHAPE(3, 2, 4, 5)}, set_spread, true},
    {"weighted_regularized_triplet", 1, {SHAPE(2, 7, 5)}, wrt, true},
    {"centre_mining", 1, {SHAPE(2, 7, 5)}, centre_mining, true},
    {"centre_mining of kind dcl", 1, {SHAPE(2, 7, 5)}, centre_ratio, true},
    {"token_weights, token_pool", 2, {SHAPE(3, 3, 4, 5), SHAPE(3, 3, 4, 3)}, token_pool, false},
    {"batchnorm", 1, {SHAPE(2, 9, 5)}, batchnorm, false},
    {"batchnorm with a residual and ReLU", 3, {SHAPE(4, 2, 2, 3, 4), SHAPE(4, 2, 2, 3, 4), SHAPE(1, 4)}, batchnorm_add, false},
    {"batchnorm recomputed", 1, {SHAPE(2, 9, 5)}, batchnorm_again, false},
    {"max_pool", 1, {SHAPE(4, 2, 5, 6, 3)}, max_pool, false},
    {"average_pool", 1, {SHAPE(4, 2, 3, 2, 5)}, average_pool, false},
    {"gem", 1, {SHAPE(4, 2, 3, 2, 5)}, gem, false},
    {"resize_bilinear", 1, {SHAPE(4, 2, 4, 3, 2)}, resize_bilinear, false},
    {"tanh, logistic", 1, {SHAPE(2, 5, 9)}, bounded, false},
    {"weighted_sum", 1, {SHAPE(2, 5, 3)}, losses, true},
};

typedef struct {
  xr_parameters *parameters;
  xr_graph *graph;
  xr_plan *plan;
  xr_executor *executor;
  xr_var loss;
} fixture;

static fixture make(const gradient_case *c, bool poison) {
  fixture f = {.parameters = xr_parameters_new()};
  f.graph = xr_graph_new(f.parameters, (xr_graph_options){.name = c->name, .compute = XR_F32, .training = true});
  xr_var p[MAX_PARAMETERS], integers[2] = {{0}};
  for (int i = 0; i < c->parameters; i++) {
    char name[2] = {(char)('a' + i), 0};
    p[i] = xr_param(f.graph, name, c->shape[i], (xr_init){XR_INIT_NORMAL, 1});
  }
  xr_var y = c->build(f.graph, p, integers);
  cr_assert(xr_graph_status(f.graph) == XR_OK, "%s: %s", c->name, xr_message());
  int64_t count = xr_elements(xr_shape_of(f.graph, y));
  xr_var weights = c->is_loss ? (xr_var){0} : xr_input(f.graph, "weights", XR_F32, XR_SHAPE(1, count));
  f.loss = y;
  if (!c->is_loss)
    f.loss = xr_reshape(f.graph, "loss",
                        xr_matmul_transposed(f.graph, "projection", xr_reshape(f.graph, "row", y, XR_SHAPE(1, count)), weights),
                        XR_SHAPE(1));
  xr_output(f.graph, "loss", f.loss);
  cr_assert(xr_parameters_allocate(f.parameters, (xr_parameter_options){.seed = 7, .training = true}) == XR_OK, "%s", xr_message());
  cr_assert(xr_plan_new(&f.plan, f.graph, f.loss, (xr_plan_options){.backend = XR_CPU}) == XR_OK, "%s: %s", c->name, xr_message());
  cr_assert(xr_plan_check(f.plan) == XR_OK, "%s: %s", c->name, xr_message());
  cr_assert(xr_executor_new(&f.executor, f.plan, (xr_executor_options){.poison = poison, .check_finite = true}) == XR_OK, "%s",
            xr_message());
  for (int k = 0; k < 2; k++) {
    int32_t *values = integers[k].id ? xr_executor_input(f.executor, integers[k]) : NULL;
    for (int64_t i = 0; values && i < xr_elements(xr_shape_of(f.graph, integers[k])); i++) values[i] = (int32_t)(k ? i : i % 3);
  }
  if (weights.id) {
    xr_random r = xr_random_start(11, 0);
    float *values = xr_executor_input(f.executor, weights);
    for (int64_t i = 0; i < count; i++) values[i] = xr_random_normal(&r);
  }
  return f;
}

static void drop(fixture *f) {
  xr_executor_free(f->executor);
  xr_plan_free(f->plan);
  xr_graph_free(f->graph);
  xr_parameters_free(f->parameters);
}

static double loss_at(fixture *f) {
  cr_assert(xr_executor_forward(f->executor, (xr_seed){3, 1}) == XR_OK, "%s", xr_message());
  return (double)*(const float *)xr_executor_value(f->executor, f->loss);
}

static void check_case(const gradient_case *c, bool poison) {
  fixture f = make(c, poison);
  xr_parameter_arrays a = xr_parameters_arrays(f.parameters);
  for (int i = 0; i < xr_parameter_count(f.parameters); i++) { /* of a step before: nothing may be added to it */
    const xr_parameter *p = xr_parameter_at(f.parameters, i);
    for (int64_t k = p->offset; k < p->offset + xr_elements(p->shape); k++) a.gradient[k] = NAN;
  }
  cr_assert(xr_executor_step(f.executor, (xr_seed){3, 1}) == XR_OK, "%s: %s", c->name, xr_message());
  const double h = 1e-2;
  float *saved = xr_block_alloc((size_t)a.elements * sizeof *saved), *direction = xr_block_alloc((size_t)a.elements * sizeof *direction);
  memcpy(saved, a.master, (size_t)a.elements * sizeof *saved);
  for (int trial = 0; trial < 4; trial++) {
    xr_random r = xr_random_start(100, (uint64_t)trial);
    double length = 0, slope = 0, gradient_length = 0;
    memset(direction, 0, (size_t)a.elements * sizeof *direction);
    for (int i = 0; i < xr_parameter_count(f.parameters); i++) {
      const xr_parameter *p = xr_parameter_at(f.parameters, i);
      for (int64_t k = p->offset; k < p->offset + xr_elements(p->shape) && !p->kind.state; k++) {
        direction[k] = xr_random_normal(&r);
        length += (double)direction[k] * (double)direction[k];
      }
    }
    for (int64_t k = 0; k < a.elements; k++) {
      direction[k] = (float)((double)direction[k] / sqrt(length));
      slope += (double)a.gradient[k] * (double)direction[k];
      gradient_length += (double)a.gradient[k] * (double)a.gradient[k];
    }
    double side[2];
    for (int s = 0; s < 2; s++) {
      for (int64_t k = 0; k < a.elements; k++) a.master[k] = saved[k] + (float)(s ? -h : h) * direction[k];
      side[s] = loss_at(&f);
    }
    memcpy(a.master, saved, (size_t)a.elements * sizeof *saved);
    double numeric = (side[0] - side[1]) / (2 * h), scale = sqrt(gradient_length);
    double allowed = 64 * 0x1p-24 * (fabs(side[0]) + scale) / h + 10 * h * h * scale;
    cr_assert(fabs(numeric - slope) <= allowed, "%s: trial %d: slope %.6g, by differences %.6g; allowed difference %.3g", c->name, trial,
              slope, numeric, allowed);
  }
  xr_block_free(saved);
  xr_block_free(direction);
  drop(&f);
}

Test(gradients, equal_finite_differences) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i], false);
}

Test(gradients, the_same_with_dead_memory_poisoned) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_case(&cases[i], true);
}

Test(gradients, a_wrong_gradient_would_be_found) {
  gradient_case c = cases[0];
  fixture f = make(&c, false);
  cr_assert(xr_executor_step(f.executor, (xr_seed){3, 1}) == XR_OK);
  xr_parameter_arrays a = xr_parameters_arrays(f.parameters);
  double before = loss_at(&f);
  a.master[0] += 0.01f;
  double difference = (loss_at(&f) - before) / 0.01;
  cr_assert_float_eq(difference, (double)a.gradient[0], 1e-2);
  cr_assert(fabs(difference - 1.1 * (double)a.gradient[0]) > 1e-2, "the case is too flat to show an error of a tenth");
  drop(&f);
}
