#include "models/asm.h"

#include "models/dual_encoder.h"

static const xr_margin_kind kinds[] = {[XR_CONFIG_ASM_NEG_SEM] = XR_MARGIN_NEG_SEM,         [XR_CONFIG_ASM_FIXED] = XR_MARGIN_FIXED,
                                       [XR_CONFIG_ASM_POS_RATIO] = XR_MARGIN_POS_RATIO,     [XR_CONFIG_ASM_QUALITY] = XR_MARGIN_QUALITY,
                                       [XR_CONFIG_ASM_COMMONALITY] = XR_MARGIN_COMMONALITY, [XR_CONFIG_ASM_ASMR] = XR_MARGIN_ASMR};
static const xr_margin_reduction reductions[] = {
    [XR_CONFIG_REDUCE_HARDEST] = XR_MARGIN_HARDEST, [XR_CONFIG_REDUCE_SUM] = XR_MARGIN_SUM, [XR_CONFIG_REDUCE_LSE] = XR_MARGIN_LSE};
static const xr_margin_positives positives[] = {[XR_CONFIG_POSITIVES_PAIRED] = XR_MARGIN_PAIRED,
                                                [XR_CONFIG_POSITIVES_ALL] = XR_MARGIN_ALL_SAME_PID,
                                                [XR_CONFIG_POSITIVES_SOFT] = XR_MARGIN_ALL_SAME_PID_SOFT};
static const xr_asm_source sources[] = {[XR_CONFIG_SEMANTIC_TEXT] = XR_ASM_TEXT,
                                        [XR_CONFIG_SEMANTIC_IMAGE] = XR_ASM_IMAGE,
                                        [XR_CONFIG_SEMANTIC_BOTH] = XR_ASM_BOTH,
                                        [XR_CONFIG_SEMANTIC_EMA] = XR_ASM_EMA};

xr_asm_options xr_asm_options_of(const xr_model_context *context) {
  const xr_config *c = context->config;
  return (xr_asm_options){.margin = {.kind = kinds[c->loss.asm_.kind],
                                     .reduction = reductions[c->loss.asm_.reduction],
                                     .positives = positives[c->loss.asm_.positives],
                                     .stretch = c->loss.asm_.stretch,
                                     .margin = (float)c->loss.asm_.margin,
                                     .margin_min = (float)c->loss.asm_.margin_min,
                                     .margin_max = (float)c->loss.asm_.margin_max,
                                     .tau = (float)c->loss.asm_.temperature,
                                     .distance_scale = (float)c->loss.asm_.distance_scale},
                          .source = sources[c->loss.asm_.semantic_source],
                          .classes = context->classes,
                          .momentum = (float)c->loss.asm_.momentum};
}

/* f32 [B, B]: what samples have in common. The loss takes no gradient of it, so that none of these nodes has one. */
static xr_var semantics(xr_graph *g, const xr_asm_options *o, xr_var image, xr_var text, xr_var identity) {
  const bool of_image = o->source == XR_ASM_IMAGE || o->source == XR_ASM_BOTH, of_text = o->source != XR_ASM_IMAGE;
  if ((of_image && !image.id) || (of_text && !text.id))
    return xr_graph_fail(g, XR_BAD_ARGUMENT, "margins of this kind and source need the %s feature", of_text && !text.id ? "text" : "image");
  switch (o->source) {
  case XR_ASM_TEXT:
    return xr_cosines(g, "text", text, text);
  case XR_ASM_IMAGE:
    return xr_cosines(g, "image", image, image);
  case XR_ASM_BOTH:
    return xr_scale_by(g, "mean", xr_add_of(g, "both", xr_cosines(g, "text", text, text), xr_cosines(g, "image", image, image)), 0.5f);
  default: {
    xr_var unit = xr_l2_normalize_rows(g, "unit", text);
    xr_var remembered = xr_feature_memory_of(g, "memory", unit, identity, o->classes, o->momentum);
    return xr_cosines(g, "remembered", remembered, remembered);
  }
  }
}

xr_var xr_asm_loss(xr_graph *g, const xr_asm_options *options, xr_var similarity, xr_var image_feature, xr_var text_feature,
                   xr_var identity, xr_var image_id, xr_var length) {
  xr_scope_begin(g, "asm");
  xr_var cosine = {0};
  if (xr_margin_reads_semantic(options->margin.kind)) cosine = semantics(g, options, image_feature, text_feature, identity);
  xr_var loss = xr_semantic_margin_loss(g, "margin", similarity, cosine, identity, image_id, length, options->margin);
  xr_scope_end(g);
  return loss;
}

xr_var xr_tal_loss(xr_graph *g, float margin, float tau, xr_var similarity, xr_var identity, xr_var image_id) {
  const xr_margin_options options = {
      .kind = XR_MARGIN_FIXED, .reduction = XR_MARGIN_LSE, .positives = XR_MARGIN_ALL_SAME_PID_SOFT, .margin = margin, .tau = tau};
  const xr_var none = {0};
  xr_scope_begin(g, "tal");
  xr_var mean = xr_semantic_margin_loss(g, "mean", similarity, none, identity, image_id, none, options);
  xr_var sum = xr_scale_by(g, "sum", mean, 2 * (float)xr_last_dim(xr_shape_of(g, similarity)));
  xr_scope_end(g);
  return sum;
}
