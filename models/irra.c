#include "models/irra.h"

#include <string.h>

#include "models/mlm.h"

static xr_image_statistics statistics_of(const xr_config *c) {
  xr_image_statistics s;
  for (int i = 0; i < 3; i++) {
    s.mean[i] = (float)c->image.mean[i];
    s.std[i] = (float)c->image.std[i];
    s.fill[i] = (float)c->augment.erase_fill[i];
  }
  return s;
}

/* ---- the tokens of each side, and its global feature: the class token, the end-of-text token */
static xr_var image_tokens(xr_graph *g, const xr_model_context *context, xr_var pixels, xr_var decisions) {
  xr_clip_size size = xr_clip_size_of(context);
  return xr_clip_image_tower(g, &size, xr_normalize_image(g, "images", pixels, decisions, statistics_of(context->config)), NULL);
}

static xr_var text_tokens(xr_graph *g, const xr_model_context *context, xr_var ids) {
  xr_clip_size size = xr_clip_size_of(context);
  return xr_clip_text_tower(g, &size, ids, NULL);
}

static xr_var image_feature(xr_graph *g, xr_var tokens) { return xr_token_at(g, "image_feature", tokens, 0); }
static xr_var text_feature(xr_graph *g, xr_var tokens, xr_var end) { return xr_pick_token(g, "text_feature", tokens, end); }

static xr_var pixels_input(xr_graph *g, const xr_model_context *context) {
  const xr_config *c = context->config;
  return xr_input(g, "pixels", XR_U8, XR_SHAPE(context->batch, c->image.height, c->image.width, 3));
}

static void add_loss(xr_training_graph *out, float *weights, const char *name, double weight, xr_var loss) {
  weights[out->losses] = (float)weight;
  out->loss[out->losses] = loss;
  out->loss_name[out->losses++] = name;
}

static void train(xr_graph *g, const xr_model_context *context, xr_training_graph *out) {
  const xr_config *c = context->config;
  const int64_t batch = context->batch, embed = c->model.embed;
  float weights[XR_MAX_LOSSES];
  memset(out, 0, sizeof *out);
  out->pixels = pixels_input(g, context);
  out->decisions = xr_input(g, "decisions", XR_I32, XR_SHAPE(batch, (int64_t)(sizeof(xr_augment_decision) / sizeof(int32_t))));
  xr_var captions = xr_mlm_caption_inputs(g, context, out);
  out->identity = xr_input(g, "identity", XR_I32, XR_SHAPE(batch));
  out->image = xr_input(g, "image", XR_I32, XR_SHAPE(batch));

  xr_var v_tokens = image_tokens(g, context, out->pixels, out->decisions), t_tokens = text_tokens(g, context, captions);
  xr_var v = image_feature(g, v_tokens), t = text_feature(g, t_tokens, out->end);

  /* SDM: cosines of all pairs against the identities */
  xr_var v_unit = xr_l2_normalize_rows(g, "image_unit", v), t_unit = xr_l2_normalize_rows(g, "text_unit", t);
  xr_var cosine = xr_matmul_transposed(g, "cosine", v_unit, t_unit);
  add_loss(out, weights, "sdm", c->loss.sdm.weight,
           xr_sdm_loss(g, "sdm", cosine, out->identity, out->image,
                       (xr_sdm_options){.temperature = (float)c->loss.sdm.temperature, .semi_weight = (float)c->loss.sdm.semi_weight}));

  /* ID: one classifier shared by both modalities, on the features as they are */
  xr_scope_begin(g, "classifier");
  xr_var weight = xr_param(g, "weight", XR_SHAPE(context->classes, embed), (xr_init){XR_INIT_NORMAL, 0.001f});
  xr_var bias = xr_param(g, "bias", XR_SHAPE(context->classes), (xr_init){XR_INIT_ZERO, 0});
  xr_scope_end(g);
  xr_linear_options to_logits = {.f32_result = true};
  xr_var id_v = xr_cross_entropy_loss(g, "id.image", xr_linear_with(g, "classifier.image", v, weight, bias, to_logits), out->identity,
                                      (float)c->loss.id.smoothing);
  xr_var id_t = xr_cross_entropy_loss(g, "id.text", xr_linear_with(g, "classifier.text", t, weight, bias, to_logits), out->identity,
                                      (float)c->loss.id.smoothing);
  add_loss(out, weights, "id", c->loss.id.weight, xr_weighted_loss(g, "id", 2, (xr_var[]){id_v, id_t}, (float[]){0.5f, 0.5f}));

  /* MLM: hidden words, told from the others and the image */
  if (xr_mlm_wanted(c)) {
    xr_var words = xr_mlm_words(g, context, out, t_tokens);
    add_loss(out, weights, "mlm", c->loss.mlm.weight, xr_mlm_loss(g, context, out, words, v_tokens));
  }

  out->total = xr_weighted_loss(g, "total", out->losses, out->loss, weights);
  for (int i = 0; i < out->losses; i++) xr_output(g, out->loss_name[i], out->loss[i]);
  xr_output(g, "total", out->total);
}

static void encode_images(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out) {
  memset(out, 0, sizeof *out);
  out->pixels = pixels_input(g, context);
  out->tokens = image_tokens(g, context, out->pixels, (xr_var){0});
  out->features = xr_cast_to(g, "features", image_feature(g, out->tokens), XR_F32);
  xr_output(g, "image_features", out->features);
}

static void encode_texts(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out) {
  memset(out, 0, sizeof *out);
  out->ids = xr_input(g, "ids", XR_I32, XR_SHAPE(context->batch, context->config->text.context));
  out->end = xr_input(g, "end", XR_I32, XR_SHAPE(context->batch));
  out->tokens = text_tokens(g, context, out->ids);
  out->features = xr_cast_to(g, "features", text_feature(g, out->tokens, out->end), XR_F32);
  xr_output(g, "text_features", out->features);
}

const xr_method xr_irra = {.name = "irra", .train = train, .encode_images = encode_images, .encode_texts = encode_texts};
