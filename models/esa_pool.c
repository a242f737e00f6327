#include "models/esa_pool.h"

#include <math.h>

#include "host/ops/ops.h"

static const float EPS = 1e-5f;

xr_var xr_esa_assignment(xr_graph *g, int64_t set_size, int64_t width) {
  xr_scope_begin(g, "assign");
  xr_var rows = xr_param(g, "weight", XR_SHAPE(set_size + 1, width), (xr_init){XR_INIT_NORMAL, powf((float)width, -0.5f)});
  xr_scope_end(g);
  return rows;
}

/* A linear map without bias. */
static xr_var project(xr_graph *g, xr_var x, const char *name, int64_t out, xr_linear_options options) {
  const int64_t in = xr_last_dim(xr_shape_of(g, x));
  xr_scope_begin(g, "%s", name);
  xr_var weight = xr_param(g, "weight", XR_SHAPE(out, in), (xr_init){XR_INIT_NORMAL, powf((float)in, -0.5f)});
  xr_scope_end(g);
  return xr_linear_with(g, name, x, weight, (xr_var){0}, options);
}

static xr_esa_sets pie(xr_graph *g, const xr_esa_pool_options *o, const xr_esa_pool_input *in) {
  const int64_t width = xr_last_dim(xr_shape_of(g, in->tokens));
  xr_var h = project(g, in->tokens, "attn.fc_1", width / 2, (xr_linear_options){.activation = XR_ACTIVATION_TANH});
  xr_var logits = project(g, h, "attn.fc_2", o->set_size, (xr_linear_options){.f32_result = true});
  xr_var pooled = xr_token_pool_of(g, "pool", in->tokens, xr_token_weights_of(g, "weights", logits, in->length, XR_WEIGHTS_SOFTMAX));
  xr_var e = xr_linear_of(g, pooled, "fc", width, powf((float)width, -0.5f), (xr_linear_options){.activation = XR_ACTIVATION_LOGISTIC});
  e = xr_dropout_of(g, "dropout", e, o->dropout);
  xr_var sum = xr_add_of(g, "global.residual", xr_repeat_of(g, "global", in->global, 1, o->set_size), e);
  return (xr_esa_sets){.sets = xr_l2_normalize_rows(g, "sets", xr_layernorm_of(g, sum, "ln", EPS)), .residual = e};
}

/* Which tokens each element is made of. */
static xr_var weights(xr_graph *g, const xr_esa_pool_options *o, const xr_esa_pool_input *in) {
  if (o->kind == XR_CONFIG_ESA_TOPK) return xr_rank_weights_of(g, "weights", in->score, in->length, o->set_size, o->ratio);
  xr_var assign = in->assign.id ? in->assign : xr_esa_assignment(g, o->set_size, xr_last_dim(xr_shape_of(g, in->tokens)));
  xr_var logits = xr_linear_with(g, "assign", xr_layernorm_of(g, in->tokens, "ln_tokens", EPS), assign, (xr_var){0},
                                 (xr_linear_options){.f32_result = true});
  return xr_token_weights_of(g, "weights", logits, in->length, XR_WEIGHTS_SHARES);
}

xr_esa_sets xr_esa_pool(xr_graph *g, const xr_esa_pool_options *o, const xr_esa_pool_input *in) {
  if (o->kind == XR_CONFIG_ESA_PIE) return pie(g, o, in);
  xr_var pooled = xr_token_pool_of(g, "pool", in->tokens, weights(g, o, in));
  xr_var z = project(g, pooled, "out", xr_last_dim(xr_shape_of(g, in->tokens)), (xr_linear_options){0});
  z = xr_add_of(g, "mlp.residual", z, xr_esa_feed_forward(g, z, o->dropout));
  return xr_esa_over_global(g, in->global, xr_layernorm_of(g, z, "ln_out", EPS));
}
