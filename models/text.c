/* CLIP's text tower: a causal transformer over byte-pair tokens. */
#include <math.h>

#include "models/clip.h"

xr_var xr_clip_text_tower(xr_graph *g, const xr_clip_size *size, xr_var ids, xr_taps *taps) {
  const int64_t width = size->text_width;
  const xr_block_size block = {.width = width,
                               .layers = size->text_layers,
                               .heads = size->text_heads,
                               .mlp = size->text_mlp,
                               .causal = true,
                               .recompute = size->recompute_blocks,
                               .activation = size->activation};
  xr_var table = xr_param(g, "token_embedding.weight", XR_SHAPE(size->vocabulary, width), (xr_init){XR_INIT_NORMAL, 0.02f});
  xr_var position = xr_param(g, "positional_embedding", XR_SHAPE(size->context, width), (xr_init){XR_INIT_NORMAL, 0.01f});
  xr_var x = xr_embed_tokens(g, "tokens", ids, table, position), residual = {0};
  xr_transformer_blocks(g, &block, &x, &residual, taps);
  x = xr_norm_after(g, "ln_final", &x, &residual);
  xr_var projection = xr_param(g, "text_projection", XR_SHAPE(width, size->embed), (xr_init){XR_INIT_NORMAL, powf((float)width, -0.5f)});
  return xr_linear_with(g, "text_projection", x, projection, (xr_var){0}, (xr_linear_options){.transposed = true});
}
