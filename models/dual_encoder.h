/* What the text-to-image methods share: CLIP's towers over a batch of image-caption pairs, one global feature a side, and the losses on
 * those features. Features are [B, D] as the towers give them. */
#pragma once

#include "models/method.h"

/* ---- inputs of a training step: pixels, decisions, captions with what belongs to them (models/mlm.h), identity, image. Returns the
 * captions that the losses see. */
xr_var xr_dual_encoder_inputs(xr_graph *g, const xr_model_context *context, xr_training_graph *out);

/* ---- inputs of an encoder, and its result */
xr_var xr_image_input(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out);
xr_var xr_caption_input(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out); /* and end */
void xr_encoder_result(xr_graph *g, const char *name, xr_var features, xr_var tokens, xr_encoder_graph *out);

/* ---- towers: projected tokens, [B, 1 + patches, D] and [B, context, D]. decisions may be empty, taps NULL. */
xr_var xr_image_tokens(xr_graph *g, const xr_model_context *context, xr_var pixels, xr_var decisions, xr_taps *taps);
xr_var xr_text_tokens(xr_graph *g, const xr_model_context *context, xr_var ids, xr_taps *taps);
/* The class token; the end-of-text token. */
xr_var xr_image_feature(xr_graph *g, xr_var tokens);
xr_var xr_text_feature(xr_graph *g, xr_var tokens, xr_var end);

/* ---- losses */
/* Cosines of all pairs of rows, f32 [rows of a, rows of b] */
xr_var xr_cosines(xr_graph *g, const char *name, xr_var a, xr_var b);
/* Similarity distribution matching of image and text features, from their cosines. image: i32 [B] or empty. */
xr_var xr_sdm(xr_graph *g, const xr_config *config, xr_var cosine, xr_var identity, xr_var image);
/* Identity loss: one classifier for both modalities, parameters classifier.weight [classes, D] and classifier.bias; the mean of the two
 * cross-entropies. */
xr_var xr_identity_loss(xr_graph *g, const xr_model_context *context, xr_var image_feature, xr_var text_feature, xr_var identity);
/* The same classifier's weight on CMSN's combined feature, with a bias of its own, classifier.combined_bias; labels are not smoothed. */
xr_var xr_combined_identity_loss(xr_graph *g, const xr_model_context *context, xr_var combined, xr_var identity);

/* One more term of the total, and the total: the sum of weight * term. All of them can be read after a step. */
void xr_add_loss(xr_training_graph *out, const char *name, double weight, xr_var loss);
void xr_sum_losses(xr_graph *g, xr_training_graph *out);
