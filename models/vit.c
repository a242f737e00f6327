/* CLIP's image tower: a vision transformer (Dosovitskiy et al., 2021). */
#include <math.h>

#include "models/clip.h"

int64_t xr_clip_patches(const xr_clip_size *size) {
  return ((size->height - size->patch) / size->stride + 1) * ((size->width - size->patch) / size->stride + 1);
}

xr_var xr_clip_image_tower(xr_graph *g, const xr_clip_size *size, xr_var images) {
  const int64_t width = size->image_width, patch = size->patch;
  const float std = powf((float)width, -0.5f), patch_std = powf(3.0f * (float)(patch * patch), -0.5f);
  const xr_block_size block = {
      .width = width, .layers = size->image_layers, .heads = size->image_heads, .mlp = size->image_mlp, .activation = size->activation};
  xr_scope_begin(g, "visual");
  xr_var kernel = xr_param(g, "conv1.weight", XR_SHAPE(width, 3, patch, patch), (xr_init){XR_INIT_NORMAL, patch_std});
  xr_var class_token = xr_param(g, "class_embedding", XR_SHAPE(width), (xr_init){XR_INIT_NORMAL, std});
  xr_var position = xr_param(g, "positional_embedding", XR_SHAPE(xr_clip_patches(size) + 1, width), (xr_init){XR_INIT_NORMAL, std});

  xr_var x = xr_patchify_of(g, "patches", images, patch, size->stride);
  x = xr_linear_with(g, "conv1", x, kernel, (xr_var){0}, (xr_linear_options){0});
  x = xr_class_token_and_position(g, "tokens", x, class_token, position);
  x = xr_layernorm_of(g, x, "ln_pre", 1e-5f);

  xr_var residual = {0};
  for (int64_t i = 0; i < size->image_layers; i++) {
    xr_scope_begin(g, "transformer.resblocks.%d", (int)i);
    if (size->recompute_blocks) xr_recompute_begin(g);
    xr_transformer_block(g, &block, &x, &residual);
    xr_recompute_end(g);
    xr_scope_end(g);
  }
  xr_var stream;
  x = xr_add_layernorm(g, x, residual, "ln_post", 1e-5f, &stream);
  xr_var projection = xr_param(g, "proj", XR_SHAPE(width, size->embed), (xr_init){XR_INIT_NORMAL, std});
  x = xr_linear_with(g, "proj", x, projection, (xr_var){0}, (xr_linear_options){.transposed = true});
  xr_scope_end(g);
  return x;
}
