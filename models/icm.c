#include "models/icm.h"

static const xr_mining_kind kinds[] = {
    [XR_CONFIG_ICM_CENTRES] = XR_MINING_ICM, [XR_CONFIG_ICM_HC] = XR_MINING_HC,   [XR_CONFIG_ICM_CENTRE_CLUSTER] = XR_MINING_CENTRE_CLUSTER,
    [XR_CONFIG_ICM_MSEL] = XR_MINING_MSEL,   [XR_CONFIG_ICM_DCL] = XR_MINING_DCL, [XR_CONFIG_ICM_MMD] = XR_MINING_MMD};

xr_icm_options xr_icm_options_of(const xr_model_context *context) {
  const xr_config *c = context->config;
  const bool memory = c->loss.icm.kind == XR_CONFIG_ICM_MEMORY;
  return (xr_icm_options){
      .mining = {.kind = memory ? XR_MINING_ICM : kinds[c->loss.icm.kind],
                 .pull = (float)c->loss.icm.pull,
                 .mine = (float)c->loss.icm.mine,
                 .push = (float)c->loss.icm.push,
                 .rho = (float)c->loss.icm.rho,
                 .hinge_margin = (float)c->loss.icm.hinge_margin,
                 .sample_margin = (float)c->loss.icm.sample_margin,
                 .centre_margin = (float)c->loss.icm.centre_margin,
                 .mmd = {c->loss.icm.kernel == XR_CONFIG_MMD_GAUSS ? XR_MMD_GAUSS : XR_MMD_LAPLACE, (float)c->loss.icm.gamma}},
      .normalize = c->loss.icm.normalize,
      .memory = memory,
      .classes = context->classes,
      .momentum = (float)c->loss.icm.momentum};
}

xr_var xr_icm_loss(xr_graph *g, xr_var features, xr_var identity, int64_t visible, const xr_icm_options *o) {
  xr_scope_begin(g, "icm");
  xr_var x = o->normalize ? xr_l2_normalize_rows(g, "unit", features) : xr_cast_to(g, "features", features, XR_F32);
  xr_var loss = o->memory ? xr_modality_memory_loss(g, "memory", x, identity, visible, o->classes, o->momentum)
                          : xr_centre_mining_loss(g, "centres", x, identity, visible, o->mining);
  xr_scope_end(g);
  return loss;
}
