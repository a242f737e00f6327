#include "models/esa_losses.h"

xr_var xr_esa_mmd(xr_graph *g, xr_var image_sets, xr_var text_sets, xr_mmd_options options) {
  return xr_mmd_loss(g, "mmd", image_sets, text_sets, options);
}

/* The mean over both modalities. */
static xr_var spread(xr_graph *g, const char *name, xr_var image, xr_var text, xr_spread_kind kind) {
  xr_scope_begin(g, "%s", name);
  xr_var of_image = xr_set_spread_of(g, "image", image, kind), of_text = xr_set_spread_of(g, "text", text, kind);
  xr_scope_end(g);
  return xr_weighted_loss(g, name, 2, (xr_var[]){of_image, of_text}, (float[]){0.5f, 0.5f});
}

xr_var xr_esa_uniformity(xr_graph *g, xr_var image_residual, xr_var text_residual) {
  xr_var image = xr_l2_normalize_rows(g, "uniformity_image", image_residual),
         text = xr_l2_normalize_rows(g, "uniformity_text", text_residual);
  return spread(g, "uniformity", image, text, XR_SPREAD_UNIFORMITY);
}

xr_var xr_esa_diversity(xr_graph *g, xr_var image_sets, xr_var text_sets) {
  return spread(g, "diversity", image_sets, text_sets, XR_SPREAD_DIVERSITY);
}

xr_var xr_esa_set_cosine(xr_graph *g, xr_var image_sets, xr_var text_sets) {
  return spread(g, "set_cosine", xr_detach(g, "set_cosine_image", image_sets), xr_detach(g, "set_cosine_text", text_sets),
                XR_SPREAD_COSINE);
}
