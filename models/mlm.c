#include "models/mlm.h"

#include <math.h>

#include "host/data/mask.h"

enum { HEAD_WIDTH = 64 };
static const float LAYERNORM_EPS = 1e-5f;

static float attention_std(const xr_mlm_size *size) { return powf((float)size->width, -0.5f); }
static float out_std(const xr_mlm_size *size) { return attention_std(size) * powf(2.0f * (float)size->layers, -0.5f); }

xr_mlm_size xr_mlm_size_of(const xr_model_context *context) {
  const xr_config *c = context->config;
  return (xr_mlm_size){.width = c->model.embed,
                       .layers = c->loss.mlm.layers,
                       .heads = c->model.embed < HEAD_WIDTH ? 1 : c->model.embed / HEAD_WIDTH,
                       .vocabulary = context->vocabulary,
                       .recompute_blocks = c->model.recompute == XR_CONFIG_RECOMPUTE_BLOCKS};
}

static xr_var look_at(xr_graph *g, const xr_mlm_size *size, xr_var words, xr_var tokens) {
  const int64_t width = size->width;
  xr_var from = xr_layernorm_of(g, words, "ln_pre_t", LAYERNORM_EPS), to = xr_layernorm_of(g, tokens, "ln_pre_i", LAYERNORM_EPS), q, kv;
  xr_scope_begin(g, "cross_attn");
  xr_var weight = xr_param(g, "in_proj_weight", XR_SHAPE(3 * width, width), (xr_init){XR_INIT_NORMAL, attention_std(size)});
  xr_var bias = xr_param(g, "in_proj_bias", XR_SHAPE(3 * width), (xr_init){XR_INIT_ZERO, 0});
  xr_cross_projection(g, "in_proj", from, to, weight, bias, &q, &kv);
  xr_var x = xr_cross_attention(g, "attention", q, kv, (xr_attention_options){.heads = size->heads});
  x = xr_linear_of(g, x, "out_proj", width, out_std(size), (xr_linear_options){0});
  xr_scope_end(g);
  return x;
}

xr_var xr_mlm_encoder(xr_graph *g, const xr_mlm_size *size, xr_var words, xr_var tokens, xr_var length) {
  const xr_block_size block = {.name = "cross_modal_transformer",
                               .width = size->width,
                               .layers = size->layers,
                               .heads = size->heads,
                               .mlp = 4 * size->width,
                               .recompute = size->recompute_blocks,
                               .activation = XR_ACTIVATION_QUICK_GELU,
                               .key_length = length};
  xr_var x = look_at(g, size, words, tokens), residual = {0};
  xr_transformer_blocks(g, &block, &x, &residual, NULL);
  return xr_norm_after(g, "ln_post", &x, &residual);
}

xr_var xr_mlm_logits(xr_graph *g, const xr_mlm_size *size, xr_var x, xr_var index) {
  const float dense_std = powf(2.0f * (float)size->width, -0.5f);
  xr_scope_begin(g, "mlm_head");
  xr_var h = xr_take_rows_of(g, "masked_words", x, index);
  h = xr_linear_of(g, h, "dense", size->width, dense_std, (xr_linear_options){.activation = XR_ACTIVATION_QUICK_GELU});
  h = xr_layernorm_of(g, h, "ln", LAYERNORM_EPS);
  h = xr_linear_of(g, h, "fc", size->vocabulary, out_std(size), (xr_linear_options){.f32_result = true});
  xr_scope_end(g);
  return h;
}

bool xr_mlm_wanted(const xr_config *config) { return config->loss.mlm.weight > 0; }

xr_var xr_mlm_caption_inputs(xr_graph *g, const xr_model_context *context, xr_training_graph *out) {
  const xr_config *c = context->config;
  const int64_t batch = context->batch, tokens = c->text.context;
  const bool wanted = xr_mlm_wanted(c), shared = wanted && c->text.mask_aug == XR_CONFIG_MASK_SHARED;
  if (!shared) out->ids = xr_input(g, "ids", XR_I32, XR_SHAPE(batch, tokens));
  out->end = xr_input(g, "end", XR_I32, XR_SHAPE(batch));
  if (!wanted) return out->ids;
  const int64_t rows = xr_mask_capacity(batch, tokens, (float)c->loss.mlm.probability);
  if (c->text.mask_pad) out->length = xr_input(g, "length", XR_I32, XR_SHAPE(batch));
  out->masked_ids = xr_input(g, "masked_ids", XR_I32, XR_SHAPE(batch, tokens));
  out->mask_index = xr_input(g, "mask_index", XR_I32, XR_SHAPE(rows));
  out->mask_label = xr_input(g, "mask_label", XR_I32, XR_SHAPE(rows));
  return shared ? out->masked_ids : out->ids;
}

xr_var xr_mlm_words(xr_graph *g, const xr_model_context *context, const xr_training_graph *out, xr_var tokens) {
  if (!out->ids.id) return tokens;
  const xr_clip_size size = xr_clip_size_of(context);
  xr_pass_begin(g, "masked");
  xr_var words = xr_clip_text_tower(g, &size, out->masked_ids, NULL);
  xr_pass_end(g);
  return words;
}

xr_var xr_mlm_loss(xr_graph *g, const xr_model_context *context, const xr_training_graph *out, xr_var words, xr_var image_tokens) {
  const xr_mlm_size size = xr_mlm_size_of(context);
  xr_var x = xr_mlm_encoder(g, &size, words, image_tokens, out->length);
  return xr_cross_entropy_loss(g, "mlm", xr_mlm_logits(g, &size, x, out->mask_index), out->mask_label, 0);
}
