#include "models/crl.h"

#include <math.h>

static const float EPS = 1e-5f;

static xr_var mlp(xr_graph *g, const xr_crl_input *in, int64_t width) {
  xr_var u = xr_pair_features(g, "pair", in->image, in->text);
  xr_linear_options activated = {.activation = XR_ACTIVATION_QUICK_GELU};
  xr_var h = xr_linear_of(g, u, "fc_1", 2 * width, powf(4.0f * (float)width, -0.5f), activated);
  h = xr_linear_of(g, h, "fc_2", width, powf(2.0f * (float)width, -0.5f), (xr_linear_options){0});
  return xr_layernorm_of(g, h, "ln", EPS);
}

static xr_var gated(xr_graph *g, const xr_crl_input *in, int64_t width) {
  xr_var both = xr_concat_of(g, "both", 2, (xr_var[]){in->image, in->text}, 1);
  xr_var gate = xr_linear_of(g, both, "gate", width, powf(2.0f * (float)width, -0.5f), (xr_linear_options){0});
  return xr_gated_mix(g, "mix", gate, in->image, in->text);
}

static xr_var sum(xr_graph *g, const xr_crl_input *in) { return xr_scale_by(g, "mean", xr_add_of(g, "sum", in->image, in->text), 0.5f); }

static xr_var transformer(xr_graph *g, const xr_crl_input *in, int64_t width) {
  if (!in->image_slots.id || !in->text_slots.id)
    return xr_graph_fail(g, XR_BAD_INPUT, "crl.kind: transformer works on IMFI's query slots, which this imfi.mode does not have");
  const float std = powf((float)width, -0.5f);
  const int64_t slots = 2 * xr_shape_of(g, in->image_slots).dim[1];
  const xr_block_size block = {
      .width = width, .layers = 2, .heads = width % 64 ? 1 : width / 64, .mlp = 4 * width, .activation = XR_ACTIVATION_QUICK_GELU};
  xr_var class_slot = xr_param(g, "class_embedding", XR_SHAPE(width), (xr_init){XR_INIT_NORMAL, std});
  xr_var position = xr_param(g, "positional_embedding", XR_SHAPE(slots + 1, width), (xr_init){XR_INIT_NORMAL, std});
  xr_var x = xr_concat_of(g, "slots", 2, (xr_var[]){in->image_slots, in->text_slots}, 1), residual = {0};
  x = xr_class_token_and_position(g, "tokens", x, class_slot, position);
  xr_transformer_blocks(g, &block, &x, &residual, NULL);
  return xr_token_at(g, "class", xr_norm_after(g, "ln", &x, &residual), 0);
}

xr_var xr_crl(xr_graph *g, const xr_config *c, const xr_crl_input *given) {
  xr_crl_input in = *given;
  xr_var combined = {0};
  xr_scope_begin(g, "crl");
  if (c->crl.stop_gradient) {
    in.image = xr_detach(g, "image.fixed", in.image);
    in.text = xr_detach(g, "text.fixed", in.text);
    in.image_slots = in.image_slots.id ? xr_detach(g, "image_slots.fixed", in.image_slots) : in.image_slots;
    in.text_slots = in.text_slots.id ? xr_detach(g, "text_slots.fixed", in.text_slots) : in.text_slots;
    in.interaction = in.interaction.id ? xr_detach(g, "interaction.fixed", in.interaction) : in.interaction;
  }
  switch (c->crl.kind) {
  case XR_CONFIG_CRL_OFF:
    break;
  case XR_CONFIG_CRL_MLP:
    combined = mlp(g, &in, c->model.embed);
    break;
  case XR_CONFIG_CRL_GATED:
    combined = gated(g, &in, c->model.embed);
    break;
  case XR_CONFIG_CRL_SUM:
    combined = sum(g, &in);
    break;
  case XR_CONFIG_CRL_TRANSFORMER:
    combined = transformer(g, &in, c->model.embed);
    break;
  case XR_CONFIG_CRL_CROSS_ATTN:
    combined = in.interaction;
    break;
  }
  xr_scope_end(g);
  return combined;
}
