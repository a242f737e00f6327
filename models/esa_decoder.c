#include "models/esa_decoder.h"

#include <math.h>

#include "host/ops/ops.h"

static const float EPS = 1e-5f;

static xr_var project(xr_graph *g, xr_var x, const char *name, int64_t out) {
  const int64_t in = xr_last_dim(xr_shape_of(g, x));
  xr_scope_begin(g, "%s", name);
  xr_var weight = xr_param(g, "weight", XR_SHAPE(out, in), (xr_init){XR_INIT_NORMAL, powf((float)in, -0.5f)});
  xr_scope_end(g);
  return xr_linear_with(g, name, x, weight, (xr_var){0}, (xr_linear_options){0});
}

static xr_var layer(xr_graph *g, const xr_esa_decoder_options *o, xr_var s, xr_var tokens, xr_var length) {
  const int64_t width = xr_last_dim(xr_shape_of(g, tokens)), inner = o->heads * o->head_width;
  xr_var h = project(g, xr_layernorm_of(g, s, "ln_self", EPS), "self.qkv", 3 * inner);
  h = project(g, xr_self_attention(g, "self", h, (xr_attention_options){.heads = o->heads}), "self.out", width);
  s = xr_add_of(g, "self.residual", s, h);
  xr_var q = project(g, xr_layernorm_of(g, s, "ln_q", EPS), "attn.q", inner);
  xr_var kv = project(g, xr_layernorm_of(g, tokens, "ln_tokens", EPS), "attn.kv", 2 * inner);
  h = xr_cross_attention(g, "attn", q, kv, (xr_attention_options){.heads = o->heads, .key_length = length});
  s = xr_add_of(g, "attn.residual", s, project(g, h, "attn.out", width));
  return xr_add_of(g, "mlp.residual", s, xr_esa_feed_forward(g, s, o->dropout));
}

xr_esa_sets xr_esa_decoder(xr_graph *g, const xr_esa_decoder_options *o, xr_var tokens, xr_var length, xr_var global) {
  const xr_shape shape = xr_shape_of(g, tokens);
  xr_var s = xr_repeat_of(g, "slots", xr_esa_slot_set(g, o->set_size, xr_last_dim(shape)), 0, shape.dim[0]);
  for (int64_t i = 0; i < o->layers; i++) {
    xr_scope_begin(g, "layer.%d", (int)i);
    s = layer(g, o, s, tokens, length);
    xr_scope_end(g);
  }
  return xr_esa_over_global(g, global, xr_layernorm_of(g, s, "ln_out", EPS));
}
