#include "models/match.h"

#include <math.h>

#include "models/mlm.h"

static const float EPS = 1e-5f;

/* Words of the last scale, looking at the image: their end-of-text token [P, D]. */
static xr_var words_over_image(xr_graph *g, const xr_mlm_size *size, const xr_match_input *in) {
  const xr_shape text = xr_shape_of(g, in->text);
  xr_var words = in->text;
  if (in->scales > 1) {
    words = xr_reshape(g, "match.words", words, XR_SHAPE(text.dim[0], text.dim[1] / in->scales, in->scales * text.dim[2]));
    words = xr_slice_of(g, "match.words", words, 2, (in->scales - 1) * text.dim[2], text.dim[2]);
  }
  return xr_pick_token(g, "match.end", xr_mlm_encoder(g, size, words, in->image, in->length), in->end);
}

/* Image tokens of the last scale, looking at the words: their class token [P, D]. */
static xr_var image_over_words(xr_graph *g, const xr_config *c, const xr_mlm_size *size, const xr_match_input *in) {
  const xr_shape image = xr_shape_of(g, in->image);
  const int64_t width = size->width, tokens = image.dim[1] / in->scales;
  const float std = powf((float)width, -0.5f);
  const xr_block_size block = {.width = width,
                               .layers = c->loss.match.layers,
                               .heads = size->heads,
                               .mlp = 4 * width,
                               .recompute = size->recompute_blocks,
                               .activation = XR_ACTIVATION_QUICK_GELU};
  xr_var x = in->scales > 1 ? xr_slice_of(g, "tokens", in->image, 1, (in->scales - 1) * tokens, tokens) : in->image, residual = {0};
  xr_var q = xr_linear_of(g, xr_layernorm_of(g, x, "ln_q", EPS), "attn.q", width, std, (xr_linear_options){0});
  xr_var kv = xr_linear_of(g, xr_layernorm_of(g, in->text, "ln_k", EPS), "attn.kv", 2 * width, std, (xr_linear_options){0});
  x = xr_cross_attention(g, "attention", q, kv, (xr_attention_options){.heads = size->heads, .key_length = in->joint_length});
  x = xr_linear_of(g, x, "attn.out", width, std, (xr_linear_options){0});
  xr_transformer_blocks(g, &block, &x, &residual, NULL);
  return xr_token_at(g, "class", xr_norm_after(g, "ln_post", &x, &residual), 0);
}

xr_var xr_match_logits(xr_graph *g, const xr_model_context *context, const xr_match_input *pairs) {
  const xr_mlm_size size = xr_mlm_size_of(context);
  xr_pass_begin(g, "match");
  xr_var fused[2] = {words_over_image(g, &size, pairs)};
  xr_scope_begin(g, "imfi.match");
  fused[1] = image_over_words(g, context->config, &size, pairs);
  xr_var both = xr_concat_of(g, "both", 2, fused, 1);
  xr_var logits = xr_linear_of(g, both, "head", 2, powf(2.0f * (float)size.width, -0.5f), (xr_linear_options){.f32_result = true});
  xr_scope_end(g);
  xr_pass_end(g);
  return logits;
}

static xr_var partner(xr_graph *g, const char *label, xr_var x, xr_var index) {
  return x.id ? xr_gather_samples_of(g, label, x, index) : x;
}

xr_var xr_match_loss(xr_graph *g, const xr_model_context *context, const xr_match_input *batch, xr_var cosine, xr_var identity) {
  const xr_config *c = context->config;
  const xr_match_options options = {.negative = (xr_match_negative)c->loss.match.negative, .tau = (float)c->loss.match.temperature};
  xr_scope_begin(g, "match.pairs");
  const xr_pairs chosen = xr_match_pairs_of(g, "choice", cosine, identity, options);
  const xr_match_input pairs = {.scales = batch->scales,
                                .image = partner(g, "image", batch->image, chosen.image),
                                .text = partner(g, "text", batch->text, chosen.text),
                                .end = partner(g, "end", batch->end, chosen.text),
                                .length = partner(g, "length", batch->length, chosen.text),
                                .joint_length = partner(g, "joint_length", batch->joint_length, chosen.text)};
  xr_scope_end(g);
  return xr_cross_entropy_loss(g, "match", xr_match_logits(g, context, &pairs), chosen.label, 0);
}
