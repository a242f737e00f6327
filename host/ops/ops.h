/* The operations that models are written with. Each records one or a few nodes; shapes are checked at once; nothing runs.
 *
 * D stands for the last dimension. Parameters a function creates are named "<scope>.<name>.weight" and so on. Formulas and sources stand in
 * the kernels' headers. */
#pragma once

#include "host/graph/graph.h"
#include "kernels/activation/activation.h"
#include "kernels/embedding_set/set_similarity.h"
#include "kernels/embedding_set/token_weights.h"
#include "kernels/image/augment.h"
#include "kernels/loss/centre/centre_alignment.h"
#include "kernels/loss/centre/centre_mining.h"
#include "kernels/loss/match_pairs.h"
#include "kernels/loss/mmd.h"
#include "kernels/loss/set_spread.h"
#include "kernels/loss/triplet/semantic_margin.h"
#include "kernels/loss/triplet/semi_positive_triplet.h"
#include "kernels/loss/triplet/weighted_regularized_triplet.h"

/* ---- linear maps */
typedef struct {
  bool transposed; /* the weight is stored [in, out], as CLIP's projections are; default [out, in] */
  xr_activation_kind activation;
  bool f32_result; /* leaves the compute dtype: for what losses read */
} xr_linear_options;

/* x [.., in], weight [out, in], bias [out] or empty -> [.., out] */
xr_var xr_linear_with(xr_graph *g, const char *label, xr_var x, xr_var weight, xr_var bias, xr_linear_options options);

/* The same with parameters "<name>.weight" [out, in], drawn with the standard deviation `std`, and "<name>.bias" of zeros. */
xr_var xr_linear_of(xr_graph *g, xr_var x, const char *name, int64_t out_features, float std, xr_linear_options options);

/* The projections of cross-attention: x [.., D] with rows 0 .. D-1 of weight [3 D, D] and bias [3 D] -> *q [.., D]; tokens [.., D] with the
 * other rows -> *kv [.., 2 D], side by side */
void xr_cross_projection(xr_graph *g, const char *label, xr_var x, xr_var tokens, xr_var weight, xr_var bias, xr_var *q, xr_var *kv);

/* a [M, D] times b [N, D] transposed -> [M, N] */
xr_var xr_matmul_transposed(xr_graph *g, const char *label, xr_var a, xr_var b);

/* ---- tokens */
/* Pixels u8 [B, H, W, 3] and one xr_augment_decision a sample, i32 [B, 7] (empty: none) -> normalised images [B, H, W, 3] */
typedef struct {
  float mean[3], std[3], fill[3];
} xr_image_statistics;
xr_var xr_normalize_image(xr_graph *g, const char *label, xr_var pixels, xr_var decisions, xr_image_statistics statistics);

/* images [B, H, W, 3] -> [B, grid_height * grid_width, 3 * patch * patch], columns in the order (channel, y, x) */
xr_var xr_patchify_of(xr_graph *g, const char *label, xr_var images, int64_t patch, int64_t stride);

/* x [B, N, D], class_token [D], position [N + 1, D] -> [B, N + 1, D] */
xr_var xr_class_token_and_position(xr_graph *g, const char *label, xr_var x, xr_var class_token, xr_var position);

/* ids i32 [B, T], table [V, D], position [T, D] -> [B, T, D] */
xr_var xr_embed_tokens(xr_graph *g, const char *label, xr_var ids, xr_var table, xr_var position);

/* x [B, N, D], index i32 [B] -> [B, D] */
xr_var xr_pick_token(xr_graph *g, const char *label, xr_var x, xr_var index);
/* x [B, N, D] -> [B, D]: token `index` of every sample */
xr_var xr_token_at(xr_graph *g, const char *label, xr_var x, int64_t index);
/* x [.., D], index i32 [R] -> [R, D]: rows of x in ascending order; behind them -1 gives rows of 0 */
xr_var xr_take_rows_of(xr_graph *g, const char *label, xr_var x, xr_var index);
/* x [B, ..] of any dtype, index i32 [P] -> [P, ..]: samples in any order, as often as wanted */
xr_var xr_gather_samples_of(xr_graph *g, const char *label, xr_var x, xr_var index);
/* x [B, N, D], length i32 [B] or empty -> [B, D]: mean of the tokens first .. length-1 */
xr_var xr_masked_mean_of(xr_graph *g, const char *label, xr_var x, xr_var length, int64_t first);
/* x [B, H W, D], or [B, 1 + H W, D] with a class token that is left out -> [B, (H / factor) (W / factor), D]: means of square cells */
xr_var xr_grid_mean_of(xr_graph *g, const char *label, xr_var x, int64_t grid_height, int64_t grid_width, int64_t factor);
/* x [B, T, D], weight [D, K] (K odd, up to 9), length i32 [B] or empty -> [B, T, D]: each channel convolved along the tokens, 0 from
 * length on */
xr_var xr_token_conv_of(xr_graph *g, const char *label, xr_var x, xr_var weight, xr_var length);

/* ---- feature maps [B, H, W, C] */
typedef struct {
  int64_t channels, kernel, stride, pad; /* of the result; the kernel is square; stride 0 means 1 */
  bool bias;
  float std; /* of the weight's first values; 0: for ReLU by what a kernel feeds (He et al. 2015, fan-out): sqrt(2 / (channels kernel^2)) */
} xr_conv2d_options;

/* x [B, H, W, C] -> [B, Ho, Wo, channels] with parameters "<name>.weight" [channels, kernel, kernel, C] and, if wanted, "<name>.bias" of
 * zeros; Ho = (H + 2 pad - kernel) / stride + 1 */
xr_var xr_conv2d_of(xr_graph *g, xr_var x, const char *name, xr_conv2d_options options);
/* weight [O, kh, kw, C], bias [O] or empty */
xr_var xr_conv2d_with(xr_graph *g, const char *label, xr_var x, xr_var weight, xr_var bias, int64_t stride, int64_t pad);
typedef struct {
  int64_t kernel, stride, pad; /* of square windows */
} xr_max_pool_options;
xr_var xr_max_pool_of(xr_graph *g, const char *label, xr_var x, xr_max_pool_options options);
/* -> [B, C]: the mean of each channel */
xr_var xr_average_pool_of(xr_graph *g, const char *label, xr_var x);
/* -> f32 [B, C]: the generalised mean of each channel, eps 1e-12; learned: the parameter "<name>.p" [1], which starts at `power` */
typedef struct {
  float power; /* 0: 3 */
  bool learned;
} xr_gem_options;
xr_var xr_gem_of(xr_graph *g, xr_var x, const char *name, xr_gem_options options);
/* x f32 -> f32 [B, height, width, C]: between the centres of pixels, as PyTorch with align_corners = false */
xr_var xr_resize_bilinear_of(xr_graph *g, const char *label, xr_var x, int64_t height, int64_t width);

/* ---- normalisation */
/* Parameters "<name>.weight" of ones and "<name>.bias" of zeros. */
xr_var xr_layernorm_of(xr_graph *g, xr_var x, const char *name, float eps);
/* s = x + residual and layernorm(s) in one node; *sum receives s. */
xr_var xr_add_layernorm(xr_graph *g, xr_var x, xr_var residual, const char *name, float eps, xr_var *sum);
/* act((x - mean) rstd weight + bias + add) of each column of x [.., D]: over all rows in training graphs, else with the running statistics.
 * Parameters "<name>.weight" of ones and "<name>.bias" of zeros, state "<name>.running_mean" and "<name>.running_var": torchvision's names.
 */
typedef struct {
  xr_var add;          /* of x's shape, or empty */
  bool relu;           /* act is ReLU */
  bool freeze_bias;    /* the bias stays what it is: 0, or read from a file */
  float eps, momentum; /* 0: 1e-5 and 0.1 */
  bool zero_weight;    /* the weight starts with zeros: a branch that adds nothing at first */
} xr_batchnorm_options;
xr_var xr_batchnorm_of(xr_graph *g, xr_var x, const char *name, xr_batchnorm_options options);
/* rows of x divided by their length; the result is f32 */
xr_var xr_l2_normalize_rows(xr_graph *g, const char *label, xr_var x);

/* ---- attention */
typedef struct {
  int64_t heads;
  bool causal;
  xr_var key_length; /* i32 [B] or empty: keys from there on are masked */
} xr_attention_options;
/* qkv [B, N, 3 D], the three side by side -> [B, N, D] */
xr_var xr_self_attention(xr_graph *g, const char *label, xr_var qkv, xr_attention_options options);
/* q [B, M, D], kv [B, N, 2 D] -> [B, M, D] */
xr_var xr_cross_attention(xr_graph *g, const char *label, xr_var q, xr_var kv, xr_attention_options options);
/* Queries q [M, D] that the batch shares attend to each of `scales` (1 to 4) sets of tokens, kv[s] [B, N_s, 2 D] -> [B, S, M, D]; with a
 * gate vector the scales are fused -> [B, M, D]. */
typedef struct {
  int64_t heads;
  xr_var key_length;  /* i32 [B] or empty: keys from there on are masked, at every scale */
  const xr_var *code; /* NULL, or for each scale a vector [D] that is added to its values */
  xr_var gate;        /* [D] or empty */
} xr_multiscale_options;
xr_var xr_multiscale_attention_of(xr_graph *g, const char *label, xr_var q, int scales, const xr_var *kv, xr_multiscale_options options);
/* q [B, K, D], kv [B, N, 2 D] -> [B, K, D]: slots q divide each sample's tokens, then average them; tokens from length (i32 [B] or empty)
 * on are no slot's */
xr_var xr_slot_attention_of(xr_graph *g, const char *label, xr_var q, xr_var kv, int64_t heads, xr_var length);
/* z [B, S, M, D], logits f32 [B, S, M] -> [B, M, D]: the mean over S weighted by softmax over S */
xr_var xr_scale_gate_of(xr_graph *g, const char *label, xr_var z, xr_var logits);

/* ---- elementwise and copies */
xr_var xr_add_of(xr_graph *g, const char *label, xr_var a, xr_var b);
/* x [.., suffix] + v [suffix]: v's shape is the end of x's, [D] or [M, D] against [B, S, M, D]; a parameter or any tensor */
xr_var xr_add_broadcast(xr_graph *g, const char *label, xr_var x, xr_var v);
/* x [.., D] + gamma * y [.., D], gamma f32 [D] */
xr_var xr_layer_scale(xr_graph *g, const char *label, xr_var x, xr_var y, xr_var gamma);
/* v, t [.., D] -> [.., 4 D]: v, t, v * t and |v - t| side by side */
xr_var xr_pair_features(xr_graph *g, const char *label, xr_var v, xr_var t);
/* s a + (1 - s) b with s = logistic(z), elementwise */
xr_var xr_gated_mix(xr_graph *g, const char *label, xr_var z, xr_var a, xr_var b);
xr_var xr_scale_by(xr_graph *g, const char *label, xr_var x, float factor);
xr_var xr_activate(xr_graph *g, const char *label, xr_var x, xr_activation_kind kind);
xr_var xr_dropout_of(xr_graph *g, const char *label, xr_var x, float rate); /* x itself in inference graphs or at rate 0 */
xr_var xr_cast_to(xr_graph *g, const char *label, xr_var x, xr_dtype dtype);
/* xr_param_f32() in the compute dtype: by a node, in f32 a copy, so that recordings in every precision have the same nodes */
xr_var xr_param_cast(xr_graph *g, const char *name, xr_shape shape, xr_init init);
xr_var xr_reshape(xr_graph *g, const char *label, xr_var x, xr_shape shape);
xr_var xr_detach(xr_graph *g, const char *label, xr_var x); /* x as a constant: no gradient goes through */
xr_var xr_transpose_axes(xr_graph *g, const char *label, xr_var x, const int axes[XR_MAX_RANK]);
xr_var xr_slice_of(xr_graph *g, const char *label, xr_var x, int axis, int64_t start, int64_t length);
/* x with a new axis in front of `axis`: x `count` times; [B, D], axis 1 -> [B, count, D] */
xr_var xr_repeat_of(xr_graph *g, const char *label, xr_var x, int axis, int64_t count);
xr_var xr_concat_of(xr_graph *g, const char *label, int count, const xr_var *x, int axis);

/* ---- embedding sets made of tokens */
/* qkv [B, N, 3 D] of one attention, index i32 [B] or empty -> f32 [B, N]: what the query at the index looks at (keys behind it: not), or
 * the first query at all keys; mean over heads, without gradient */
xr_var xr_attention_row_of(xr_graph *g, const char *label, xr_var qkv, int64_t heads, xr_var index);
/* logits f32 [B, N, K], with shares [B, N, K + 1]; length i32 [B] or empty -> f32 [B, N, K]: weights of the tokens for each of K elements
 */
xr_var xr_token_weights_of(xr_graph *g, const char *label, xr_var logits, xr_var length, xr_token_weights_kind kind);
/* score f32 [B, N], length i32 [B] or empty -> f32 [B, N, set]: the highest scores' tokens, in groups by rank; without gradient */
xr_var xr_rank_weights_of(xr_graph *g, const char *label, xr_var score, xr_var length, int64_t set, float ratio);
/* x [B, N, D], weights f32 [B, N, K] -> [B, K, D]: weighted sums of the tokens */
xr_var xr_token_pool_of(xr_graph *g, const char *label, xr_var x, xr_var weights);

/* ---- embedding sets: f32, unit rows */
/* a [A, K1, D], b [B, K2, D] -> similarity of every pair of sets [A, B]: cosines of all elements, then the reduction */
xr_var xr_set_similarity_of(xr_graph *g, const char *label, xr_var a, xr_var b, xr_set_similarity_options options);
/* The reduction alone: cosine [A a_size, B b_size] -> [A, B] */
xr_var xr_set_reduce(xr_graph *g, const char *label, xr_var cosine, int64_t a_size, int64_t b_size, xr_set_similarity_options options);
/* x [.., D], y [.., D] -> maximum mean discrepancy of their rows, [1] */
xr_var xr_mmd_loss(xr_graph *g, const char *label, xr_var x, xr_var y, xr_mmd_options options);
/* sets [B, K, D] -> [1]: how alike the elements of a set are; kernels/loss/set_spread.h */
xr_var xr_set_spread_of(xr_graph *g, const char *label, xr_var sets, xr_spread_kind kind);

/* ---- losses: one f32 element */
/* logits [R, C], labels i32 [R]; -1 leaves a row out */
xr_var xr_cross_entropy_loss(xr_graph *g, const char *label, xr_var logits, xr_var labels, float smoothing);
/* cosine f32 [B, B] (images x texts), identity i32 [B], image i32 [B] or empty */
typedef struct {
  float temperature, semi_weight;
} xr_sdm_options;
xr_var xr_sdm_loss(xr_graph *g, const char *label, xr_var cosine, xr_var identity, xr_var image, xr_sdm_options options);
/* x: 2 or 3 sets of L2-normalised features f32 [B, D] (images, texts, combined), identity i32 [B]; *mean_count (or NULL) receives f32 [1]:
 * the samples an identity has on average */
xr_var xr_centre_alignment_loss(xr_graph *g, const char *label, int sets, const xr_var *x, xr_var identity, xr_centre_options options,
                                xr_var *mean_count);
/* The same inputs, identities 0 .. classes-1; keeps the state "<label>.image_centres", ".text_centres", ".combined_centres" [classes, D]
 * and
 * "<label>.seen" [classes]. */
typedef struct {
  int64_t classes;
  float momentum;
  bool stop_gradient_combined;
} xr_centre_memory_options;
xr_var xr_centre_memory_loss(xr_graph *g, const char *label, int sets, const xr_var *x, xr_var identity, xr_centre_memory_options options);
/* cosine f32 [B, B] (images x texts), identity i32 [B], image i32 [B] */
xr_var xr_semi_positive_triplet_loss(xr_graph *g, const char *label, xr_var cosine, xr_var identity, xr_var image,
                                     xr_triplet_options options);
/* similarity f32 [B, B] (images x texts), identity i32 [B], image i32 [B] or empty; semantic f32 [B, B] (its gradient is not taken) and
 * length i32 [B] where the kind reads them, else empty or not read */
xr_var xr_semantic_margin_loss(xr_graph *g, const char *label, xr_var similarity, xr_var semantic, xr_var identity, xr_var image,
                               xr_var length, xr_margin_options options);
/* x f32 [B, D], identity i32 [B] of 0 .. classes-1 -> f32 [B, D], a constant: what is remembered of each sample's identity. Keeps the state
 * "<label>.features" [classes, D] and "<label>.seen" [classes]. */
xr_var xr_feature_memory_of(xr_graph *g, const char *label, xr_var x, xr_var identity, int64_t classes, float momentum);
/* x f32 [B, D] of both modalities, identity i32 [B] */
xr_var xr_weighted_regularized_triplet_loss(xr_graph *g, const char *label, xr_var x, xr_var identity, xr_wrt_options options);
/* x f32 [B, D], of which the first `visible` rows are visible and the others infrared; identity i32 [B] */
xr_var xr_centre_mining_loss(xr_graph *g, const char *label, xr_var x, xr_var identity, int64_t visible, xr_mining_options options);
/* The same inputs, identities 0 .. classes-1; kernels/loss/centre/modality_memory.h. Keeps the state "<label>.visible_centres",
 * "<label>.infrared_centres" [classes, D] and "<label>.seen" [2, classes]. */
xr_var xr_modality_memory_loss(xr_graph *g, const char *label, xr_var x, xr_var identity, int64_t visible, int64_t classes, float momentum);
/* The same inputs without images -> the pairs that image-text matching learns from, i32 [3 B] each */
typedef struct {
  xr_match_negative negative;
  float tau;
} xr_match_options;
typedef struct {
  xr_var image, text, label;
} xr_pairs;
xr_pairs xr_match_pairs_of(xr_graph *g, const char *label, xr_var cosine, xr_var identity, xr_match_options options);
xr_var xr_weighted_loss(xr_graph *g, const char *label, int count, const xr_var *losses, const float *weights);
