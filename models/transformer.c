#include <math.h>

#include "models/clip.h"

static const float LAYERNORM_EPS = 1e-5f;

xr_var xr_norm_after(xr_graph *g, const char *name, xr_var *x, xr_var *residual) {
  if (!residual->id) return xr_layernorm_of(g, *x, name, LAYERNORM_EPS);
  xr_var sum, y = xr_add_layernorm(g, *x, *residual, name, LAYERNORM_EPS, &sum);
  *x = sum;
  return y;
}

/* Initial values as in OpenAI's code: attention width^-1/2, output projections (width * 2 layers)^-1/2, fc (2 width)^-1/2. */
xr_var xr_transformer_block(xr_graph *g, const xr_block_size *size, xr_var *x, xr_var *residual) {
  const int64_t width = size->width;
  const float attention_std = powf((float)width, -0.5f), out_std = attention_std * powf(2.0f * (float)size->layers, -0.5f),
              fc_std = powf(2.0f * (float)width, -0.5f);

  xr_var h = xr_norm_after(g, "ln_1", x, residual);
  xr_scope_begin(g, "attn");
  xr_var weight = xr_param(g, "in_proj_weight", XR_SHAPE(3 * width, width), (xr_init){XR_INIT_NORMAL, attention_std});
  xr_var bias = xr_param(g, "in_proj_bias", XR_SHAPE(3 * width), (xr_init){XR_INIT_ZERO, 0});
  xr_var qkv = xr_linear_with(g, "in_proj", h, weight, bias, (xr_linear_options){0});
  h = xr_self_attention(g, "attention", qkv,
                        (xr_attention_options){.heads = size->heads, .causal = size->causal, .key_length = size->key_length});
  *residual = xr_linear_of(g, h, "out_proj", width, out_std, (xr_linear_options){0});
  xr_scope_end(g);

  h = xr_norm_after(g, "ln_2", x, residual);
  xr_scope_begin(g, "mlp");
  h = xr_linear_of(g, h, "c_fc", size->mlp, fc_std, (xr_linear_options){.activation = size->activation});
  *residual = xr_linear_of(g, h, "c_proj", width, out_std, (xr_linear_options){0});
  xr_scope_end(g);
  return qkv;
}

/* The stream as one tensor, for whoever taps it. */
static void tap(xr_graph *g, int64_t block, xr_var *x, xr_var *residual, xr_taps *taps) {
  for (int i = 0; i < taps->count; i++) {
    if (taps->after[i] != block) continue;
    *x = xr_add_of(g, "stream", *x, *residual);
    *residual = (xr_var){0};
    taps->stream[i] = *x;
  }
}

void xr_transformer_blocks(xr_graph *g, const xr_block_size *size, xr_var *x, xr_var *residual, xr_taps *taps) {
  for (int64_t i = 0; i < size->layers; i++) {
    xr_scope_begin(g, "%s.resblocks.%d", size->name ? size->name : "transformer", (int)i);
    if (size->recompute) xr_recompute_begin(g);
    xr_var qkv = xr_transformer_block(g, size, x, residual);
    xr_recompute_end(g);
    if (taps) tap(g, i + 1, x, residual, taps);
    if (taps && i + 1 == size->layers) taps->last_qkv = qkv;
    xr_scope_end(g);
  }
}
