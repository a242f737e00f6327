/* CLIP's two towers (Radford et al., "Learning transferable visual models from natural language supervision", 2021) and their tensors'
 * names as in OpenAI's checkpoints. Every token is normalised and projected, as IRRA does; the global feature is the class or end-of-text
 * token. */
#pragma once

#include "host/ops/ops.h"

typedef struct {
  int64_t height, width, patch, stride; /* pixels */
  int64_t image_width, image_layers, image_heads, image_mlp;
  int64_t context, vocabulary, text_width, text_layers, text_heads, text_mlp;
  int64_t embed;
  xr_activation_kind activation;
  bool recompute_blocks; /* backward runs each block's forward again instead of keeping its activations */
} xr_clip_size;

int64_t xr_clip_patches(const xr_clip_size *size); /* grid_height * grid_width */

/* What a caller wants of a tower besides its result: the stream after some blocks, before any norm, and what the last block attended with.
 */
enum { XR_MAX_TAPS = 4 };
typedef struct {
  int count;
  int64_t after[XR_MAX_TAPS]; /* blocks, counted from 1, growing */
  /* set by the tower */
  xr_var stream[XR_MAX_TAPS]; /* [B, tokens, width] */
  xr_var last_qkv;            /* queries, keys and values of the last block, [B, tokens, 3 width] */
} xr_taps;

/* images [B, H, W, 3], normalised -> projected tokens [B, 1 + patches, embed]; token 0 is the class token. taps: NULL for none */
xr_var xr_clip_image_tower(xr_graph *g, const xr_clip_size *size, xr_var images, xr_taps *taps);

/* ids i32 [B, context] -> projected tokens [B, context, embed] */
xr_var xr_clip_text_tower(xr_graph *g, const xr_clip_size *size, xr_var ids, xr_taps *taps);

/* One residual block over x + residual (residual may be empty): LayerNorm, attention, LayerNorm, feed-forward. The second addition is left
 * to whoever reads next, so that it fuses with the next LayerNorm: the stream after the block is *x + *residual. Returns the attention's
 * queries, keys and values. */
typedef struct {
  const char *name; /* of the stack; NULL: "transformer" */
  int64_t width, layers, heads, mlp;
  bool causal;
  bool recompute; /* backward runs each block's forward again */
  xr_activation_kind activation;
  xr_var key_length; /* i32 [B] or empty: tokens from there on are not looked at */
} xr_block_size;
xr_var xr_transformer_block(xr_graph *g, const xr_block_size *size, xr_var *x, xr_var *residual);

/* LayerNorm of the stream *x + *residual (residual may be empty); *x becomes the stream. */
xr_var xr_norm_after(xr_graph *g, const char *name, xr_var *x, xr_var *residual);

/* size->layers blocks, named "<name>.resblocks.0" and so on. The stream after them is *x + *residual. */
void xr_transformer_blocks(xr_graph *g, const xr_block_size *size, xr_var *x, xr_var *residual, xr_taps *taps);
