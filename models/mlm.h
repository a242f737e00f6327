/* Masked-language modelling over images (Jiang and Ye, "Cross-modal implicit relation reasoning and aligning for text-to-image person
 * retrieval", CVPR 2023). Words of a caption T are hidden; the model tells them from the others and from the image tokens V:
 *
 *   X    = attention(ln_pre_t(T), keys and values ln_pre_i(V))     embed / 64 heads, no residual
 *   X    = ln_post(blocks(X))                                      CLIP's blocks, looking both ways
 *   z    = fc(ln(quick_gelu(dense(X))))                            [R, vocabulary], at the hidden words only
 *   loss = mean over the hidden words of the cross-entropy of z
 *
 * A step has R rows for hidden words, whatever their number (host/data/mask.h); rows without one have the label -1 and count for nothing.
 * Parameters are named as in IRRA's checkpoints: cross_attn, cross_modal_transformer, ln_pre_t, ln_pre_i, ln_post, mlm_head. Initial
 * values are IRRA's (with L blocks of width d: in_proj d^-1/2, outputs and fc (2 d L)^-1/2, c_fc and dense (2 d)^-1/2), but biases are 0.
 */
#pragma once

#include "models/method.h"

typedef struct {
  int64_t width, layers, heads, vocabulary;
  bool recompute_blocks;
} xr_mlm_size;

xr_mlm_size xr_mlm_size_of(const xr_model_context *context);

/* words [B, T, width], tokens [B, N, width] with any N: image tokens, of one scale or of several -> [B, T, width].
 * length i32 [B]: words from there on are not looked at; empty: all are, padding included. */
xr_var xr_mlm_encoder(xr_graph *g, const xr_mlm_size *size, xr_var words, xr_var tokens, xr_var length);

/* x [B, T, width], index i32 [R]: rows of x seen as [B * T, width], ascending, then -1 -> f32 [R, vocabulary] */
xr_var xr_mlm_logits(xr_graph *g, const xr_mlm_size *size, xr_var x, xr_var index);

/* ---- in a method's training graph */
/* Whether loss.mlm has a weight. Without one, the captions' inputs are all that the following functions make. */
bool xr_mlm_wanted(const xr_config *config);

/* Makes the inputs ids, end, length (with text.mask_pad) and those of masked words, and returns the captions that the other losses see:
 * ids or, with text.mask_aug: shared, the masked ones. */
xr_var xr_mlm_caption_inputs(xr_graph *g, const xr_model_context *context, xr_training_graph *out);

/* The projected tokens [B, context, embed] of the masked captions: `tokens`, which are those of the captions that the other losses see, or
 * the text tower's second pass, whose nodes have paths with "masked." in front. */
xr_var xr_mlm_words(xr_graph *g, const xr_model_context *context, const xr_training_graph *out, xr_var tokens);

/* The loss, from the words of xr_mlm_words() and the image tokens that they look at. */
xr_var xr_mlm_loss(xr_graph *g, const xr_model_context *context, const xr_training_graph *out, xr_var words, xr_var image_tokens);
