#include "models/irra.h"

#include "models/dual_encoder.h"
#include "models/mlm.h"

static void train(xr_graph *g, const xr_model_context *context, xr_training_graph *out) {
  const xr_config *c = context->config;
  xr_var captions = xr_dual_encoder_inputs(g, context, out);
  xr_var v_tokens = xr_image_tokens(g, context, out->pixels, out->decisions, NULL), t_tokens = xr_text_tokens(g, context, captions, NULL);
  xr_var v = xr_image_feature(g, v_tokens), t = xr_text_feature(g, t_tokens, out->end);

  /* SDM: cosines of all pairs against the identities */
  xr_add_loss(out, "sdm", c->loss.sdm.weight, xr_sdm(g, c, xr_cosines(g, "cosine", v, t), out->identity, out->image));

  /* ID: one classifier shared by both modalities, on the features as they are */
  xr_add_loss(out, "id", c->loss.id.weight, xr_identity_loss(g, context, v, t, out->identity));

  /* MLM: hidden words, told from the others and the image */
  if (xr_mlm_wanted(c)) {
    xr_var words = xr_mlm_words(g, context, out, t_tokens);
    xr_add_loss(out, "mlm", c->loss.mlm.weight, xr_mlm_loss(g, context, out, words, v_tokens));
  }
  xr_sum_losses(g, out);
}

static void encode_images(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out) {
  xr_var tokens = xr_image_tokens(g, context, xr_image_input(g, context, out), (xr_var){0}, NULL);
  xr_encoder_result(g, "image_features", xr_image_feature(g, tokens), tokens, out);
}

static void encode_texts(xr_graph *g, const xr_model_context *context, xr_encoder_graph *out) {
  xr_var tokens = xr_text_tokens(g, context, xr_caption_input(g, context, out), NULL);
  xr_encoder_result(g, "text_features", xr_text_feature(g, tokens, out->end), tokens, out);
}

const xr_method xr_irra = {.name = "irra", .train = train, .encode_images = encode_images, .encode_texts = encode_texts};
