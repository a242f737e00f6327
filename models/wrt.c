#include "models/wrt.h"

xr_wrt_options xr_wrt_options_of(const xr_config *c) {
  return (xr_wrt_options){.agw = c->loss.wrt.compat == XR_CONFIG_WRT_AGW,
                          .square = c->loss.wrt.square,
                          .gamma = (float)c->loss.wrt.gamma,
                          .clamp = (float)c->loss.wrt.clamp};
}

xr_var xr_wrt_loss(xr_graph *g, xr_var features, xr_var identity, xr_wrt_options options) {
  xr_scope_begin(g, "wrt");
  xr_var x = xr_cast_to(g, "features", features, XR_F32);
  xr_var loss = xr_weighted_regularized_triplet_loss(g, "triplet", x, identity, options);
  xr_scope_end(g);
  return loss;
}
