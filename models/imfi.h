/* IMFI, implicit multi-scale feature integration (CMSN; the paper's text is not public: RECONSTRUCTED, docs/methods/cmsn.md).
 *
 * Tokens of S scales, X_s [B, N_s, D], of one modality; M queries Q [M, D], the scale codes e_s [D] and every layer below are shared by the
 * modalities, so that query k gathers the same concept from an image and from a sentence.
 *
 *   A_s = MHA(LN_q(Q), LN_k(X_s + e_s), LN_k(X_s + e_s))       keys from `length` on are masked
 *   Z_s = Q + A_s,   Z_s <- Z_s + FFN(LN(Z_s))                 FFN: D -> 4 D -> D, QuickGELU
 *   g   = softmax over s of <w_g, LN(Z_s)>,   Z = sum over s of g_s Z_s          [B, M, D]
 *   f   = global + gamma * (mean over queries of Z) W_o        gamma [D], one a modality, starts at imfi.gamma0
 *
 * Parameters: imfi.query, imfi.code.<s>, imfi.ln_q, imfi.ln_k, imfi.attn.{q,kv,out}, imfi.ln_mlp, imfi.mlp.{c_fc,c_proj}, imfi.ln_gate,
 * imfi.gate.weight, imfi.out.weight, imfi.<modality>.gamma, and for scales below the last imfi.<modality>.scale.<s>.{ln,proj}. */
#pragma once

#include "models/method.h"
#include "models/modality.h"

typedef struct {
  xr_modality modality;
  int scales;
  xr_var tokens[XR_MAX_TAPS]; /* X_s + e_s [B, N_s, D] */
  xr_var length;              /* i32 [B] or empty: tokens up to the end of the text, at every scale */
  xr_var global;              /* [B, D] */
} xr_imfi_input;

/* Z [B, M, D] */
xr_var xr_imfi_slots(xr_graph *g, const xr_config *config, const xr_imfi_input *in);
/* f [B, D] from the slots */
xr_var xr_imfi_feature(xr_graph *g, const xr_config *config, const xr_imfi_input *in, xr_var slots);

/* The taps that the configuration asks of a tower. The last block is not tapped: its tokens are the tower's result. */
xr_taps xr_imfi_taps(const xr_config *config, xr_modality modality);
/* The scales of in->modality, into in->scales and in->tokens, each with its code: LN and projection of the tapped streams, then `last`, the
 * tower's projected tokens. The projections start like the tower's own. imfi.mode spatial: as many poolings of `last`. */
void xr_imfi_scales(xr_graph *g, const xr_config *config, const xr_taps *taps, xr_var last, xr_imfi_input *in);
/* X_s + e_s */
xr_var xr_imfi_code(xr_graph *g, xr_var tokens, int scale);
/* The tokens of all scales behind each other, [B, sum of N_s, D]. */
xr_var xr_imfi_all_tokens(xr_graph *g, const xr_imfi_input *in);
/* The same rows token by token, scale by scale, so that a text's valid tokens stay in front: [B, N S, ..] of S times [B, N, ..]. */
xr_var xr_imfi_interleave(xr_graph *g, int scales, const xr_var *tokens);
