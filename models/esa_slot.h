/* The slot block of ESA, embedding set alignment (RECONSTRUCTED, docs/methods/esa.md; after DivE): K embeddings of one sample, made of its
 * tokens X [B, N, D] and its global feature g [B, D].
 *
 *   k, v = LN_c(X) W_k, LN_c(X) W_v                      once: the tokens do not change
 *   E    = E0 [K, D], learned; then `depth` times, with the same weights each time:
 *     q  = LN(E) W_q
 *     E <- E + slot_attention(q, k, v) W_o               kernels/embedding_set/slot_attention.h; tokens from `length` on do not count
 *     E <- E + FFN(LN(E))                                FFN: D -> 4 D -> D, GELU, dropout behind it
 *     after each of the two, with post_norm: E <- LN_p(E), a norm of its own for each
 *   E    = LN(E),   set_k = normalise(LN_g(g) + E_k)
 *
 * With `over_tokens` the softmax is an ordinary one, over the tokens: every element looks on its own (kernels/attention/attention.h).
 *
 * A sample without a token has set_k = normalise(LN_g(g) + E_k) with an E that no token has changed.
 *
 * Parameters, in the caller's scope ("esa.image", say): set, ln_tokens, ln_q, attn.{q,kv,out}.weight, ln_mlp, mlp.{c_fc,c_proj},
 * ln_post_attn, ln_post_mlp, ln_out, ln_global. The iterations are passes of the graph: the caller has none open. */
#pragma once

#include "host/graph/graph.h"

typedef struct {
  int64_t set_size;          /* K, 1 to 16 */
  int64_t depth;             /* iterations, at least 1 */
  int64_t heads, head_width; /* of the attention; heads * head_width need not be D */
  float dropout;             /* of the FFN, in training graphs */
  bool post_norm;
  bool over_tokens;
} xr_esa_slot_options;

typedef struct {
  xr_var tokens; /* X [B, N, D] */
  xr_var length; /* i32 [B], 0 <= length <= N, or empty: all tokens */
  xr_var global; /* g [B, D] */
  xr_var set;    /* E0 [K, D] in the compute dtype, where modalities share one (xr_esa_slot_set); empty: the block's own */
} xr_esa_slot_input;

typedef struct {
  xr_var sets;     /* f32 [B, K, D], unit rows */
  xr_var residual; /* E [B, K, D] in the compute dtype */
} xr_esa_sets;

xr_esa_sets xr_esa_slot(xr_graph *g, const xr_esa_slot_options *options, const xr_esa_slot_input *in);

/* ---- what other ways to make a set share with it */
/* FFN(LN(e)) with parameters ln_mlp, mlp.c_fc, mlp.c_proj */
xr_var xr_esa_feed_forward(xr_graph *g, xr_var e, float dropout);
/* Sets from E [B, K, D] and g [B, D]: normalise(LN_g(g) + E_k), with the parameters ln_global */
xr_esa_sets xr_esa_over_global(xr_graph *g, xr_var global, xr_var residual);

/* The parameter "<scope>.set" [K, D], drawn with standard deviation 1, in the compute dtype. */
xr_var xr_esa_slot_set(xr_graph *g, int64_t set_size, int64_t width);
