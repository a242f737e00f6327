/* Embedding sets that are weighted sums of a sample's tokens X [B, N, D]: three baselines of ESA's slots (docs/methods/esa.md). g [B, D] is
 * the global feature, the weights are kernels/embedding_set/token_weights.h, and tokens from `length` on do not count.
 *
 *   pie      w   = softmax over tokens of tanh(X W_1) W_2                W_1 [D, D/2], W_2 [D/2, K]    PVSE, Song and Soleymani, CVPR 2019
 *            E_k = dropout(sigmoid(fc(sum_n w[n, k] X_n))),  set_k = normalise(LN(g + E_k))
 *
 *   topk     w   = groups by rank of the tokens that g's token looked at most, `ratio` of them        after CFine, Yan et al., TIP 2023
 *   cluster  w   = shares of <LN(X_n), c_k> with the importance <LN(X_n), u>                          after TCFormer, Zeng et al., CVPR
 * 2022 z_k = W_o sum_n w[n, k] X_n,   E_k = LN(z_k + FFN(LN(z_k))),   set_k = normalise(LN_g(g) + E_k)
 *
 * PVSE's heads look at the words and the global feature passes by; CFine chooses tokens and keeps them, its groups are ours; TCFormer finds
 * clusters by density, where we learn K centres c, one pass, so that the whole is differentiable.
 *
 * Parameters, in the caller's scope: pie: attn.{fc_1,fc_2}.weight, fc, ln. Others: out.weight, ln_mlp, mlp.{c_fc,c_proj}, ln_out,
 * ln_global; cluster: ln_tokens and assign.weight [K + 1, D], the rows c and then u. */
#pragma once

#include "host/io/config.h"
#include "models/esa_slot.h"

typedef struct {
  xr_config_esa kind; /* XR_CONFIG_ESA_PIE, _TOPK or _CLUSTER */
  int64_t set_size;
  float dropout;
  float ratio; /* topk */
} xr_esa_pool_options;

typedef struct {
  xr_var tokens, length, global; /* as in xr_esa_slot_input */
  xr_var score;                  /* f32 [B, N], topk: what g's token looks at */
  xr_var assign;                 /* cluster: [K + 1, D] where modalities share it (xr_esa_assignment), or empty: its own */
} xr_esa_pool_input;

xr_esa_sets xr_esa_pool(xr_graph *g, const xr_esa_pool_options *options, const xr_esa_pool_input *in);

/* The parameter "<scope>.assign.weight". */
xr_var xr_esa_assignment(xr_graph *g, int64_t set_size, int64_t width);
