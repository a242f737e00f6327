#include "models/cria.h"

#include "models/dual_encoder.h"

static const xr_centre_kind kinds[] = {[XR_CONFIG_CRIA_L2] = XR_CENTRE_L2,
                                       [XR_CONFIG_CRIA_COSINE] = XR_CENTRE_COSINE,
                                       [XR_CONFIG_CRIA_HETERO_HINGE] = XR_CENTRE_HETERO_HINGE,
                                       [XR_CONFIG_CRIA_SDM] = XR_CENTRE_SDM,
                                       [XR_CONFIG_CRIA_CENTRE_TRIPLET] = XR_CENTRE_TRIPLET};

static xr_centre_options options_of(const xr_config *c) {
  return (xr_centre_options){.kind = kinds[c->loss.cria.kind],
                             .margin = (float)c->loss.cria.hinge_margin,
                             .tau = (float)c->loss.cria.temperature,
                             .separation_weight = (float)c->loss.cria.separation,
                             .separation_margin = (float)c->loss.cria.separation_margin,
                             .stop_gradient_combined = c->loss.cria.stop_gradient};
}

xr_var xr_cria_loss(xr_graph *g, const xr_model_context *context, xr_var image, xr_var text, xr_var combined, xr_var identity,
                    xr_var *samples) {
  const xr_config *c = context->config;
  const int sets = combined.id ? 3 : 2;
  const xr_var given[] = {image, text, combined};
  static const char *const names[] = {"image", "text", "combined"};
  xr_var unit[3];
  xr_scope_begin(g, "cria");
  for (int i = 0; i < sets; i++) unit[i] = xr_l2_normalize_rows(g, names[i], given[i]);
  xr_var alignment;
  if (c->loss.cria.kind == XR_CONFIG_CRIA_MEMORY)
    alignment = xr_centre_memory_loss(g, "memory", sets, unit, identity,
                                      (xr_centre_memory_options){.classes = context->classes,
                                                                 .momentum = (float)c->loss.cria.momentum,
                                                                 .stop_gradient_combined = c->loss.cria.stop_gradient});
  else
    alignment = xr_centre_alignment_loss(g, "centres", sets, unit, identity, options_of(c), samples);
  xr_scope_end(g);
  if (!combined.id || c->loss.cria.classify == 0) return alignment;
  xr_var identities = xr_combined_identity_loss(g, context, combined, identity);
  return xr_weighted_loss(g, "cria", 2, (xr_var[]){alignment, identities}, (float[]){1, (float)c->loss.cria.classify});
}
