/* CLIP's image tower: a vision transformer (Dosovitskiy et al., 2021). */
#include <math.h>

#include "models/clip.h"

int64_t xr_clip_patches(const xr_clip_size *size) {
  return ((size->height - size->patch) / size->stride + 1) * ((size->width - size->patch) / size->stride + 1);
}

xr_var xr_clip_image_tower(xr_graph *g, const xr_clip_size *size, xr_var images, xr_taps *taps) {
  const int64_t width = size->image_width, patch = size->patch;
  const float std = powf((float)width, -0.5f), patch_std = powf(3.0f * (float)(patch * patch), -0.5f);
  const xr_block_size block = {.width = width,
                               .layers = size->image_layers,
                               .heads = size->image_heads,
                               .mlp = size->image_mlp,
                               .recompute = size->recompute_blocks,
                               .activation = size->activation};
  xr_scope_begin(g, "visual");
  xr_var kernel = xr_param(g, "conv1.weight", XR_SHAPE(width, 3, patch, patch), (xr_init){XR_INIT_NORMAL, patch_std});
  xr_var class_token = xr_param(g, "class_embedding", XR_SHAPE(width), (xr_init){XR_INIT_NORMAL, std});
  xr_var position = xr_param(g, "positional_embedding", XR_SHAPE(xr_clip_patches(size) + 1, width), (xr_init){XR_INIT_NORMAL, std});

  xr_var x = xr_patchify_of(g, "patches", images, patch, size->stride);
  x = xr_linear_with(g, "conv1", x, kernel, (xr_var){0}, (xr_linear_options){0});
  x = xr_class_token_and_position(g, "tokens", x, class_token, position);
  x = xr_layernorm_of(g, x, "ln_pre", 1e-5f);

  xr_var residual = {0};
  xr_transformer_blocks(g, &block, &x, &residual, taps);
  x = xr_norm_after(g, "ln_post", &x, &residual);
  xr_var projection = xr_param(g, "proj", XR_SHAPE(width, size->embed), (xr_init){XR_INIT_NORMAL, std});
  x = xr_linear_with(g, "proj", x, projection, (xr_var){0}, (xr_linear_options){.transposed = true});
  xr_scope_end(g);
  return x;
}
