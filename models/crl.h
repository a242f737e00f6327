/* CRL, combined representation learning (CMSN; RECONSTRUCTED, docs/methods/cmsn.md): one vector c [B, D] for an image and its caption, used
 * in training only. v, t: their features [B, D].
 *
 *   mlp          c = LN(W_2 quickgelu(W_1 [v; t; v * t; |v - t|] + b_1) + b_2)     4 D -> 2 D -> D
 *   gated        g = sigmoid(W [v; t] + b),  c = g * v + (1 - g) * t
 *   sum          c = (v + t) / 2
 *   transformer  class slot of two blocks over [class; Z_v; Z_t], the query slots of IMFI; needs them
 *   cross_attn   end-of-text token of the interaction encoder: text tokens that attend to the image's
 *
 * Parameters: crl.{fc_1,fc_2,ln}, crl.gate, crl.{class_embedding,positional_embedding,transformer.resblocks.*,ln}. */
#pragma once

#include "models/method.h"

typedef struct {
  xr_var image, text;             /* v, t [B, D] */
  xr_var image_slots, text_slots; /* Z [B, M, D]: transformer; else may be empty */
  xr_var interaction;             /* [B, D], the interaction encoder's end-of-text token: cross_attn; else may be empty */
} xr_crl_input;

/* The empty variable when the configuration has no combined representation. */
xr_var xr_crl(xr_graph *g, const xr_config *config, const xr_crl_input *in);
