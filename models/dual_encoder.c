#include "models/dual_encoder.h"

#include <string.h>

#include "models/mlm.h"

/* ---- inputs */
static xr_var pixels_input(xr_graph *g, const xr_model_context *context) {
  const xr_config *c = context->config;
  return xr_input(g, "pixels", XR_U8, XR_SHAPE(context->batch, c->image.height, c->image.width, 3));
}

static xr_var per_sample(xr_graph *g, const xr_model_context *context, const char *name) {
  return xr_input(g, name, XR_I32, XR_SHAPE(context->batch));
}

xr_var xr_dual_encoder_inputs(xr_graph *g, const xr_model_context *context, xr_training_graph *out) {
  const int64_t decision = sizeof(xr_augment_decision) / sizeof(int32_t);
  memset(out, 0, sizeof *out);
  out->pixels = pixels_input(g, context);
  out->decisions = xr_input(g, "decisions", XR_I32, XR_SHAPE(context->batch, decision));
  xr_var captions = xr_mlm_caption_inputs(g, context, out);
  out->identity = per_sample(g, context, "identity");
  out->image = per_sample(g, context, "image");
  return captions;
}

xr_var xr_image_input(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out) {
  memset(out, 0, sizeof *out);
  return out->pixels = pixels_input(g, context);
}

xr_var xr_caption_input(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out) {
  memset(out, 0, sizeof *out);
  out->ids = xr_input(g, "ids", XR_I32, XR_SHAPE(context->batch, context->config->text.context));
  out->end = per_sample(g, context, "end");
  return out->ids;
}

void xr_encoder_result(xr_graph *g, const char *name, xr_var features, xr_var tokens, xr_encoder_graph *out) {
  out->tokens = tokens;
  out->features = xr_cast_to(g, "features", features, XR_F32);
  xr_output(g, name, out->features);
}

/* ---- towers */
static xr_image_statistics statistics_of(const xr_config *c) {
  xr_image_statistics s;
  for (int i = 0; i < 3; i++) {
    s.mean[i] = (float)c->image.mean[i];
    s.std[i] = (float)c->image.std[i];
    s.fill[i] = (float)c->augment.erase_fill[i];
  }
  return s;
}

xr_var xr_image_tokens(xr_graph *g, const xr_model_context *context, xr_var pixels, xr_var decisions, xr_taps *taps) {
  const xr_clip_size size = xr_clip_size_of(context);
  xr_var images = xr_normalize_image(g, "images", pixels, decisions, statistics_of(context->config));
  return xr_clip_image_tower(g, &size, images, taps);
}

xr_var xr_text_tokens(xr_graph *g, const xr_model_context *context, xr_var ids, xr_taps *taps) {
  const xr_clip_size size = xr_clip_size_of(context);
  return xr_clip_text_tower(g, &size, ids, taps);
}

xr_var xr_image_feature(xr_graph *g, xr_var tokens) { return xr_token_at(g, "image_feature", tokens, 0); }
xr_var xr_text_feature(xr_graph *g, xr_var tokens, xr_var end) { return xr_pick_token(g, "text_feature", tokens, end); }

/* ---- losses */
xr_var xr_cosines(xr_graph *g, const char *name, xr_var a, xr_var b) {
  xr_scope_begin(g, "%s", name);
  xr_var rows = xr_l2_normalize_rows(g, "rows", a), columns = a.id == b.id ? rows : xr_l2_normalize_rows(g, "columns", b);
  xr_var cosine = xr_matmul_transposed(g, "product", rows, columns);
  xr_scope_end(g);
  return cosine;
}

xr_var xr_sdm(xr_graph *g, const xr_config *config, xr_var cosine, xr_var identity, xr_var image) {
  const xr_sdm_options options = {.temperature = (float)config->loss.sdm.temperature, .semi_weight = (float)config->loss.sdm.semi_weight};
  return xr_sdm_loss(g, "sdm", cosine, identity, image, options);
}

/* Cross-entropy of the classifier's answer to one feature. */
static xr_var classify(xr_graph *g, const xr_model_context *context, const char *name, xr_var feature, const char *bias_name,
                       xr_var identity, double smoothing) {
  const int64_t classes = context->classes, width = xr_last_dim(xr_shape_of(g, feature));
  xr_scope_begin(g, "classifier");
  xr_var weight = xr_param(g, "weight", XR_SHAPE(classes, width), (xr_init){XR_INIT_NORMAL, 0.001f});
  xr_var bias = xr_param(g, bias_name, XR_SHAPE(classes), (xr_init){XR_INIT_ZERO, 0});
  xr_var logits = xr_linear_with(g, name, feature, weight, bias, (xr_linear_options){.f32_result = true});
  xr_scope_end(g);
  xr_scope_begin(g, "id");
  xr_var loss = xr_cross_entropy_loss(g, name, logits, identity, (float)smoothing);
  xr_scope_end(g);
  return loss;
}

xr_var xr_identity_loss(xr_graph *g, const xr_model_context *context, xr_var image_feature, xr_var text_feature, xr_var identity) {
  const double smoothing = context->config->loss.id.smoothing;
  xr_var of_image = classify(g, context, "image", image_feature, "bias", identity, smoothing);
  xr_var of_text = classify(g, context, "text", text_feature, "bias", identity, smoothing);
  return xr_weighted_loss(g, "id", 2, (xr_var[]){of_image, of_text}, (float[]){0.5f, 0.5f});
}

xr_var xr_combined_identity_loss(xr_graph *g, const xr_model_context *context, xr_var combined, xr_var identity) {
  return classify(g, context, "combined", combined, "combined_bias", identity, 0);
}

void xr_add_loss(xr_training_graph *out, const char *name, double weight, xr_var loss) {
  out->loss[out->losses] = loss;
  out->loss_weight[out->losses] = (float)weight;
  out->loss_name[out->losses++] = name;
}

void xr_sum_losses(xr_graph *g, xr_training_graph *out) {
  out->total = xr_weighted_loss(g, "total", out->losses, out->loss, out->loss_weight);
  for (int i = 0; i < out->losses; i++) xr_output(g, out->loss_name[i], out->loss[i]);
  xr_output(g, "total", out->total);
}
