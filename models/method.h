/* A method: how its graphs are built. One file a method in this folder; each reads like its paper. */
#pragma once

#include "host/io/config.h"
#include "kernels/loss/weighted_sum.h"
#include "models/clip.h"

/* What the graphs depend on beyond the configuration. */
typedef struct {
  const xr_config *config;
  int64_t batch;      /* samples of one step */
  int64_t classes;    /* training identities */
  int64_t vocabulary; /* token ids */
  bool pair_tokens;   /* encoders also give what score_pairs reads */
} xr_model_context;

/* Inputs of a training step and what it computes. Inputs that a method does not use are empty. */
typedef struct {
  xr_var pixels;       /* u8 [B, H, W, 3] */
  xr_var decisions;    /* i32 [B, 7]: xr_augment_decision */
  xr_var ids;          /* i32 [B, context] captions; empty when every loss sees the masked ones */
  xr_var end;          /* i32 [B]: place of the end-of-text token */
  xr_var identity;     /* i32 [B]: training label */
  xr_var image;        /* i32 [B]: image_id; captions of one image share it */
  xr_var length;       /* i32 [B]: tokens, start and end included */
  xr_var joint_length; /* i32 [B]: the same, times joint_scales: of the captions of several scales in one */
  int32_t joint_scales;
  xr_var words; /* i32 [B]: tokens behind the start token, `words_without` less than length */
  int32_t words_without;
  xr_var masked_ids, mask_index, mask_label; /* i32 [B, context], [R], [R]: see xr_batch and models/mlm.h */
  xr_var identity_samples;                   /* f32 [1]: samples of an identity in the batch, where a loss needs several; or empty */
  xr_var set_cosine;                         /* f32 [1]: mean cosine of two elements of an embedding set; or empty */
  xr_var total;                              /* f32 [1]: the loss to minimise */
  int losses;
  xr_var loss[XR_MAX_LOSSES]; /* f32 [1] each: its terms, without their weights */
  float loss_weight[XR_MAX_LOSSES];
  const char *loss_name[XR_MAX_LOSSES];
} xr_training_graph;

/* Inputs and result of one side of retrieval: features [B, embed], f32, not normalised; tokens [B, N, embed], the tower's projected ones;
 * sets [B, K, embed], f32, unit rows, where the method describes a sample by a set (else empty). */
typedef struct {
  xr_var pixels, ids, end, length, joint_length, words; /* as in xr_training_graph */
  int32_t joint_scales, words_without;
  xr_var features, tokens, sets;
  xr_var pair_tokens; /* [B, N', embed], where the context asks for them */
} xr_encoder_graph;

/* P = context->batch pairs of retrieval, each of one image's and one caption's pair_tokens, and what says whether they belong together. */
typedef struct {
  xr_var image_tokens, text_tokens; /* [P, N', embed], [P, T', embed], compute dtype */
  xr_var end, length, joint_length; /* of the captions, as in xr_training_graph; length and joint_length may be empty */
  int32_t joint_scales;
  xr_var logits; /* f32 [P, 2]: the score is logits[1] - logits[0] */
} xr_pair_graph;

typedef struct {
  const char *name;
  void (*train)(xr_graph *g, const xr_model_context *context, xr_training_graph *out);
  void (*encode_images)(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out);
  void (*encode_texts)(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out);
  /* For methods that look at pairs in retrieval (others: NULL): whether this configuration's does, and its graph for N' and T' tokens. */
  bool (*scores_pairs)(const xr_config *config);
  void (*score_pairs)(xr_graph *g, const xr_model_context *context, int64_t image_tokens, int64_t text_tokens, xr_pair_graph *out);
} xr_method;

/* The method that the configuration names. */
const xr_method *xr_method_of(const xr_config *config);

/* The towers' sizes from a configuration. */
xr_clip_size xr_clip_size_of(const xr_model_context *context);
