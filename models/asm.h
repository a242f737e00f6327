/* ASM, adaptive semantic margins (ESA; RECONSTRUCTED, docs/methods/esa.md): triplets on the similarities of embedding sets, with a margin
 * that depends on what the samples mean (kernels/loss/triplet/semantic_margin.h). */
#pragma once

#include "kernels/loss/triplet/semantic_margin.h"
#include "models/method.h"

/* Whose cosines say what two samples have in common. No gradient goes through any of them. */
typedef enum {
  XR_ASM_TEXT,  /* cos(t_i, t_j) of the text features */
  XR_ASM_IMAGE, /* cos(v_i, v_j) of the image features */
  XR_ASM_BOTH,  /* the mean of the two */
  XR_ASM_EMA    /* cos(b_i, b_j), b_i what kernels/loss/centre/feature_memory.h remembers of the text features of i's identity */
} xr_asm_source;

typedef struct {
  xr_margin_options margin;
  xr_asm_source source;
  int64_t classes; /* ema: training identities */
  float momentum;  /* ema: how much of a remembered mean stays in a step, 0.9 */
} xr_asm_options;

/* The options of the configuration's section loss.asm. */
xr_asm_options xr_asm_options_of(const xr_model_context *context);

/* similarity f32 [B, B] (images x texts); image_feature, text_feature [B, D], of which the source's are read; identity i32 [B]; image_id
 * i32 [B] or empty; length i32 [B] (tokens of the captions), read with kind quality -> f32 [1] */
xr_var xr_asm_loss(xr_graph *g, const xr_asm_options *options, xr_var similarity, xr_var image_feature, xr_var text_feature,
                   xr_var identity, xr_var image_id, xr_var length);

/* TAL, the triplet alignment loss of RDE, a baseline: sum over both directions and all i of
 *   [margin - sum over positives p of alpha_ip S_ip + tau log sum over negatives j of exp(S_ij / tau)]+,   alpha = softmax(S_ip / tau)
 * with the positives and negatives of xr_asm_loss(): 2 B times its kind fixed with lse and soft positives. */
xr_var xr_tal_loss(xr_graph *g, float margin, float tau, xr_var similarity, xr_var identity, xr_var image_id);
