#include "models/method.h"

#include "models/cmsn.h"
#include "models/esa.h"
#include "models/irra.h"

static const xr_method *const methods[] = {[XR_CONFIG_IRRA] = &xr_irra, [XR_CONFIG_CMSN] = &xr_cmsn, [XR_CONFIG_ESA] = &xr_esa};

const xr_method *xr_method_of(const xr_config *config) { return methods[config->method]; }

xr_clip_size xr_clip_size_of(const xr_model_context *context) {
  const xr_config *c = context->config;
  return (xr_clip_size){.height = c->image.height,
                        .width = c->image.width,
                        .patch = c->image.patch,
                        .stride = c->image.stride,
                        .image_width = c->vision.width,
                        .image_layers = c->vision.layers,
                        .image_heads = c->vision.heads,
                        .image_mlp = c->vision.width * c->vision.mlp_ratio,
                        .context = c->text.context,
                        .vocabulary = context->vocabulary,
                        .text_width = c->text.width,
                        .text_layers = c->text.layers,
                        .text_heads = c->text.heads,
                        .text_mlp = 4 * c->text.width,
                        .embed = c->model.embed,
                        .activation = c->model.activation == XR_CONFIG_GELU ? XR_ACTIVATION_GELU : XR_ACTIVATION_QUICK_GELU,
                        .recompute_blocks = c->model.recompute == XR_CONFIG_RECOMPUTE_BLOCKS};
}
