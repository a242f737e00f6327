#include "models/spt.h"

#include "models/dual_encoder.h"

static const xr_triplet_kind kinds[] = {[XR_CONFIG_SPT_THREE_TIER] = XR_TRIPLET_THREE_TIER,
                                        [XR_CONFIG_SPT_SSAN_CR] = XR_TRIPLET_SSAN_CR,
                                        [XR_CONFIG_SPT_SOFT] = XR_TRIPLET_SOFT};
static const xr_semi_mining semis[] = {
    [XR_CONFIG_SEMI_MEAN] = XR_SEMI_MEAN, [XR_CONFIG_SEMI_HARD] = XR_SEMI_HARD, [XR_CONFIG_SEMI_RANDOM] = XR_SEMI_RANDOM};
static const xr_negative_mining negatives[] = {[XR_CONFIG_NEGATIVE_HARD] = XR_NEGATIVE_HARD,
                                               [XR_CONFIG_NEGATIVE_SEMI_HARD] = XR_NEGATIVE_SEMI_HARD,
                                               [XR_CONFIG_NEGATIVE_RANDOM] = XR_NEGATIVE_RANDOM};

static xr_triplet_options options_of(const xr_config *c) {
  return (xr_triplet_options){.kind = kinds[c->loss.spt.kind],
                              .semi = semis[c->loss.spt.semi],
                              .negative = negatives[c->loss.spt.negative],
                              .margin = (float)c->loss.spt.m1,
                              .beta = (float)c->loss.spt.beta,
                              .gamma = (float)c->loss.spt.gamma,
                              .order_margin = (float)c->loss.spt.m3,
                              .tau = (float)c->loss.spt.temperature,
                              .adaptive_from = c->loss.spt.adaptive ? c->loss.spt.adapt_from_step : -1};
}

xr_var xr_spt_loss(xr_graph *g, const xr_config *c, xr_var cosine, xr_var image, xr_var text, xr_var identity, xr_var image_id) {
  const xr_triplet_options options = options_of(c);
  if (!c->loss.spt.intra) return xr_semi_positive_triplet_loss(g, "spt", cosine, identity, image_id, options);
  xr_scope_begin(g, "spt");
  xr_var across = xr_semi_positive_triplet_loss(g, "across", cosine, identity, image_id, options);
  xr_var images = xr_semi_positive_triplet_loss(g, "images", xr_cosines(g, "image_cosine", image, image), identity, image_id, options);
  xr_var texts = xr_semi_positive_triplet_loss(g, "texts", xr_cosines(g, "text_cosine", text, text), identity, image_id, options);
  xr_scope_end(g);
  const float third = 1.0f / 3;
  return xr_weighted_loss(g, "spt", 3, (xr_var[]){across, images, texts}, (float[]){third, third, third});
}
