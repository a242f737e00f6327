/* Image-text matching on fused pairs, imfi.mode cross_attn of CMSN (RECONSTRUCTED in the manner of Li et al., "Align before fuse", NeurIPS
 * 2021; docs/methods/cmsn.md). A pair is fused from the tokens of all scales of both sides, X^v [S N, D] and X^t [S T, D] (models/imfi.h);
 * the last scale's ask, all scales' answer:
 *
 *   E^t    = MLM's interaction encoder (models/mlm.h) on the words X^t_S looking at the image tokens X^v; the same weights
 *   E^v    = an encoder of the same form, of its own, on the image tokens X^v_S looking at the words X^t:
 *            ln_post(blocks(MHA(ln_q(X^v_S), ln_k(X^t), ln_k(X^t))))
 *   z      = head([E^t at the end-of-text token; E^v at the class token])        [2]: no match, match
 *   score  = z_match - z_no match
 *
 * loss = mean over 3 B pairs of the cross-entropy of z: every image with its own text, every image with a text of somebody else and every
 * text with an image of somebody else (kernels/loss/match_pairs.h, by the cosines of the batch).
 *
 * Parameters: those of the interaction encoder; imfi.match.{ln_q,ln_k,ln_post}, imfi.match.attn.{q,kv,out},
 * imfi.match.transformer.resblocks.*, imfi.match.head. */
#pragma once

#include "models/method.h"

/* P pairs, or the B images and their texts that pairs are made of. */
typedef struct {
  int scales;          /* S */
  xr_var image;        /* [P, S N, D]: scale by scale (xr_imfi_all_tokens) */
  xr_var text;         /* [P, T S, D]: token by token, scale by scale (xr_imfi_interleave) */
  xr_var end;          /* i32 [P]: the end-of-text token among T */
  xr_var length;       /* i32 [P]: words from there on are not looked at; empty: all are, padding included */
  xr_var joint_length; /* i32 [P]: length times S; with length */
} xr_match_input;

/* f32 [P, 2] */
xr_var xr_match_logits(xr_graph *g, const xr_model_context *context, const xr_match_input *pairs);
/* f32 [1], from B images and their texts and the cosines [B, B] of their features. */
xr_var xr_match_loss(xr_graph *g, const xr_model_context *context, const xr_match_input *batch, xr_var cosine, xr_var identity);
