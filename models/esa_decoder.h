/* Embedding sets from a decoder that both modalities share, after Park et al., "Improving text-based person search via part-level
 * cross-modal correspondence", 2025, whose code is not public: K part slots, learned once for images and captions, are decoded against the
 * tokens X [B, N, D] of a sample, so that slot k is the same part of an image and of a sentence.
 *
 *   S = slots [K, D]; then for each layer, before which nothing is normalised:
 *     S <- S + MHA(LN(S), LN(S))                          the slots see each other
 *     S <- S + MHA(LN(S), LN_c(X))                        and the tokens; those from `length` on do not count
 *     S <- S + FFN(LN(S))                                 as in models/esa_slot.h
 *   E = LN(S),   set_k = normalise(LN_g(g) + E_k)
 *
 * MHA: heads of head_width, no biases. Parameters in the caller's scope: set; layer.<i>.{ln_self, self.qkv, self.out, ln_q, ln_tokens,
 * attn.q, attn.kv, attn.out, ln_mlp, mlp.c_fc, mlp.c_proj}; ln_out, ln_global. Used for both modalities in two passes of the graph. */
#pragma once

#include "models/esa_slot.h"

typedef struct {
  int64_t set_size, layers, heads, head_width;
  float dropout;
} xr_esa_decoder_options;

xr_esa_sets xr_esa_decoder(xr_graph *g, const xr_esa_decoder_options *options, xr_var tokens, xr_var length, xr_var global);
