#include "models/imfi.h"

#include <math.h>

static const float EPS = 1e-5f;
static const float CODE_STD = 0.02f;
static const char *const modality_name[XR_MODALITIES] = {"image", "text"};

/* ---- scales */
xr_taps xr_imfi_taps(const xr_config *c, xr_modality modality) {
  const bool own = modality == XR_TEXT && c->imfi.text_taps_count > 0;
  const int64_t *after = own ? c->imfi.text_taps : c->imfi.taps;
  xr_taps taps = {.count = (int)(own ? c->imfi.text_taps_count : c->imfi.taps_count) - 1};
  const bool by_depth = c->imfi.mode != XR_CONFIG_IMFI_OFF && c->imfi.mode != XR_CONFIG_IMFI_SPATIAL;
  for (int i = 0; i < taps.count; i++) taps.after[i] = by_depth ? after[i] : 0; /* 0: no block's */
  return taps;
}

static xr_var project(xr_graph *g, const char *like, xr_var stream, int64_t embed) {
  const int64_t width = xr_last_dim(xr_shape_of(g, stream));
  const xr_init init = {XR_INIT_NORMAL, powf((float)width, -0.5f)};
  xr_var weight = xr_param_like(g, "proj", like, XR_SHAPE(width, embed), init);
  return xr_linear_with(g, "proj", xr_layernorm_of(g, stream, "ln", EPS), weight, (xr_var){0}, (xr_linear_options){.transposed = true});
}

xr_var xr_imfi_code(xr_graph *g, xr_var tokens, int scale) {
  xr_scope_begin(g, "imfi.code.%d", scale);
  xr_var code = xr_param(g, "", XR_SHAPE(xr_last_dim(xr_shape_of(g, tokens))), (xr_init){XR_INIT_NORMAL, CODE_STD});
  tokens = xr_add_broadcast(g, "add", tokens, code);
  xr_scope_end(g);
  return tokens;
}

/* Scale s by depth: a tapped block, or the tower's result. */
static xr_var tapped(xr_graph *g, const xr_config *c, xr_modality modality, const xr_taps *taps, xr_var last, int s) {
  static const char *const towers_own[XR_MODALITIES] = {"visual.proj", "text_projection"};
  return s < taps->count ? project(g, towers_own[modality], taps->stream[s], c->model.embed) : last;
}

/* Scale s in space: the image's grid averaged over cells of 2^s x 2^s tokens, a text convolved over windows of 2 s + 1. */
static xr_var pooled(xr_graph *g, const xr_config *c, const xr_imfi_input *in, xr_var last, int s) {
  const int64_t height = (c->image.height - c->image.patch) / c->image.stride + 1,
                width = (c->image.width - c->image.patch) / c->image.stride + 1;
  if (in->modality == XR_IMAGE) return xr_grid_mean_of(g, "cells", last, height, width, (int64_t)1 << s);
  const int64_t window = 2 * s + 1;
  xr_var weight = xr_param(g, "window", XR_SHAPE(c->model.embed, window), (xr_init){XR_INIT_ONE, 1.0f / (float)window});
  return xr_token_conv_of(g, "words", last, weight, in->length);
}

void xr_imfi_scales(xr_graph *g, const xr_config *c, const xr_taps *taps, xr_var last, xr_imfi_input *in) {
  in->scales = taps->count + 1;
  for (int s = 0; s < in->scales; s++) {
    xr_scope_begin(g, "imfi.%s.scale.%d", modality_name[in->modality], s);
    xr_var tokens = c->imfi.mode == XR_CONFIG_IMFI_SPATIAL ? pooled(g, c, in, last, s) : tapped(g, c, in->modality, taps, last, s);
    xr_scope_end(g);
    in->tokens[s] = xr_imfi_code(g, tokens, s);
  }
}

xr_var xr_imfi_all_tokens(xr_graph *g, const xr_imfi_input *in) {
  return in->scales == 1 ? in->tokens[0] : xr_concat_of(g, "imfi.all_tokens", in->scales, in->tokens, 1);
}

/* ---- queries */
static xr_var keys_and_values(xr_graph *g, xr_var tokens) {
  const int64_t width = xr_last_dim(xr_shape_of(g, tokens));
  return xr_linear_of(g, xr_layernorm_of(g, tokens, "ln_k", EPS), "attn.kv", 2 * width, powf((float)width, -0.5f), (xr_linear_options){0});
}

xr_var xr_imfi_interleave(xr_graph *g, int scales, const xr_var *tokens) {
  if (scales == 1) return tokens[0];
  const xr_shape shape = xr_shape_of(g, tokens[0]);
  xr_var side_by_side = xr_concat_of(g, "scales", scales, tokens, 2);
  return xr_reshape(g, "tokens", side_by_side, XR_SHAPE(shape.dim[0], shape.dim[1] * scales, shape.dim[2]));
}

/* A_s -> [B, S, M, D] */
static xr_var attend(xr_graph *g, const xr_config *c, const xr_imfi_input *in, xr_var query) {
  const int64_t width = c->model.embed;
  const float std = powf((float)width, -0.5f);
  xr_var q = xr_linear_of(g, xr_layernorm_of(g, query, "ln_q", EPS), "attn.q", width, std, (xr_linear_options){0});
  xr_var kv[XR_MAX_TAPS];
  for (int s = 0; s < in->scales; s++) kv[s] = keys_and_values(g, in->tokens[s]);
  int scales = in->scales;
  if (c->imfi.mode == XR_CONFIG_IMFI_CONCAT) {
    kv[0] = xr_imfi_interleave(g, scales, kv);
    scales = 1;
  }
  xr_var a = xr_multiscale_attention_of(g, "attention", q, scales, kv,
                                        (xr_multiscale_options){.heads = c->imfi.heads, .key_length = in->length});
  return xr_linear_of(g, a, "attn.out", width, std, (xr_linear_options){0});
}

static xr_var feed_forward(xr_graph *g, xr_var z) {
  const int64_t width = xr_last_dim(xr_shape_of(g, z));
  xr_var h = xr_layernorm_of(g, z, "ln_mlp", EPS);
  h = xr_linear_of(g, h, "mlp.c_fc", 4 * width, powf(2.0f * (float)width, -0.5f),
                   (xr_linear_options){.activation = XR_ACTIVATION_QUICK_GELU});
  h = xr_linear_of(g, h, "mlp.c_proj", width, powf((float)width, -0.5f), (xr_linear_options){0});
  return xr_add_of(g, "residual", z, h);
}

/* Z_s [B, S, M, D] -> Z [B, M, D] */
static xr_var mix_scales(xr_graph *g, xr_var z) {
  const xr_shape shape = xr_shape_of(g, z);
  if (shape.dim[1] == 1) return xr_reshape(g, "slots", z, XR_SHAPE(shape.dim[0], shape.dim[2], shape.dim[3]));
  xr_var weight = xr_param(g, "gate.weight", XR_SHAPE(1, shape.dim[3]), (xr_init){XR_INIT_NORMAL, CODE_STD});
  xr_var logits = xr_linear_with(g, "gate", xr_layernorm_of(g, z, "ln_gate", EPS), weight, (xr_var){0},
                                 (xr_linear_options){.f32_result = true});
  logits = xr_reshape(g, "gate.logits", logits, XR_SHAPE(shape.dim[0], shape.dim[1], shape.dim[2]));
  return xr_scale_gate_of(g, "gate.mix", z, logits);
}

xr_var xr_imfi_slots(xr_graph *g, const xr_config *c, const xr_imfi_input *in) {
  const int64_t width = c->model.embed;
  xr_scope_begin(g, "imfi");
  xr_var query = xr_param_cast(g, "query", XR_SHAPE(c->imfi.queries, width), (xr_init){XR_INIT_NORMAL, powf((float)width, -0.5f)});
  xr_var z = xr_add_broadcast(g, "query.residual", attend(g, c, in, query), query);
  z = mix_scales(g, feed_forward(g, z));
  xr_scope_end(g);
  return z;
}

xr_var xr_imfi_feature(xr_graph *g, const xr_config *c, const xr_imfi_input *in, xr_var slots) {
  const int64_t width = c->model.embed;
  xr_scope_begin(g, "imfi");
  xr_var mean = xr_masked_mean_of(g, "mean", slots, (xr_var){0}, 0);
  xr_var weight = xr_param(g, "out.weight", XR_SHAPE(width, width), (xr_init){XR_INIT_NORMAL, powf((float)width, -0.5f)});
  xr_var integrated = xr_linear_with(g, "out", mean, weight, (xr_var){0}, (xr_linear_options){0});
  xr_scope_begin(g, "%s", modality_name[in->modality]);
  xr_var gamma = xr_param(g, "gamma", XR_SHAPE(width), (xr_init){c->imfi.gamma0 ? XR_INIT_ONE : XR_INIT_ZERO, (float)c->imfi.gamma0});
  xr_var feature = xr_layer_scale(g, "feature", in->global, integrated, gamma);
  xr_scope_end(g);
  xr_scope_end(g);
  return feature;
}
