#include "models/esa_slot.h"

#include <math.h>
#include <stdio.h>

#include "host/ops/ops.h"

static const float EPS = 1e-5f;

/* The block's weights, recorded once and used in every iteration. */
typedef struct {
  const xr_esa_slot_options *options;
  xr_var q, kv, out;
  xr_var kv_tokens; /* [B, N, 2 heads head_width] */
  xr_var length;
} slot_block;

xr_var xr_esa_slot_set(xr_graph *g, int64_t set_size, int64_t width) {
  return xr_param_cast(g, "set", XR_SHAPE(set_size, width), (xr_init){XR_INIT_NORMAL, 1});
}

static xr_var weight(xr_graph *g, const char *name, int64_t out, int64_t in) {
  xr_scope_begin(g, "attn.%s", name);
  xr_var w = xr_param(g, "weight", XR_SHAPE(out, in), (xr_init){XR_INIT_NORMAL, powf((float)in, -0.5f)});
  xr_scope_end(g);
  return w;
}

static xr_var project(xr_graph *g, const char *label, xr_var x, xr_var w) {
  return xr_linear_with(g, label, x, w, (xr_var){0}, (xr_linear_options){0});
}

static slot_block make_block(xr_graph *g, const xr_esa_slot_options *o, const xr_esa_slot_input *in) {
  const int64_t width = xr_last_dim(xr_shape_of(g, in->tokens)), inner = o->heads * o->head_width;
  slot_block block = {.options = o, .length = in->length};
  block.q = weight(g, "q", inner, width);
  block.kv = weight(g, "kv", 2 * inner, width);
  block.out = weight(g, "out", width, inner);
  block.kv_tokens = project(g, "attn.kv", xr_layernorm_of(g, in->tokens, "ln_tokens", EPS), block.kv);
  return block;
}

xr_var xr_esa_feed_forward(xr_graph *g, xr_var e, float dropout) {
  const int64_t width = xr_last_dim(xr_shape_of(g, e));
  xr_var h = xr_linear_of(g, xr_layernorm_of(g, e, "ln_mlp", EPS), "mlp.c_fc", 4 * width, powf(2.0f * (float)width, -0.5f),
                          (xr_linear_options){.activation = XR_ACTIVATION_GELU});
  h = xr_linear_of(g, h, "mlp.c_proj", width, powf((float)width, -0.5f), (xr_linear_options){0});
  return xr_dropout_of(g, "mlp.dropout", h, dropout);
}

/* What the slots gather from the tokens, for slots [K, D] that the batch shares or [B, K, D]. */
static xr_var gather(xr_graph *g, const slot_block *block, xr_var e, int64_t batch) {
  xr_var q = project(g, "attn.q", xr_layernorm_of(g, e, "ln_q", EPS), block->q);
  if (xr_shape_of(g, e).rank == 2) q = xr_repeat_of(g, "attn.q.batch", q, 0, batch);
  const xr_attention_options plain = {.heads = block->options->heads, .key_length = block->length};
  xr_var gathered = block->options->over_tokens
                        ? xr_cross_attention(g, "attention", q, block->kv_tokens, plain)
                        : xr_slot_attention_of(g, "attention", q, block->kv_tokens, block->options->heads, block->length);
  return project(g, "attn.out", gathered, block->out);
}

/* One iteration; e is [K, D] in the first, [B, K, D] in the others. */
static xr_var iterate(xr_graph *g, const slot_block *block, xr_var e, int64_t batch) {
  const bool post_norm = block->options->post_norm, first = xr_shape_of(g, e).rank == 2;
  xr_var gathered = gather(g, block, e, batch);
  e = first ? xr_add_broadcast(g, "attn.residual", gathered, e) : xr_add_of(g, "attn.residual", e, gathered);
  if (post_norm) e = xr_layernorm_of(g, e, "ln_post_attn", EPS);
  e = xr_add_of(g, "mlp.residual", e, xr_esa_feed_forward(g, e, block->options->dropout));
  return post_norm ? xr_layernorm_of(g, e, "ln_post_mlp", EPS) : e;
}

xr_esa_sets xr_esa_over_global(xr_graph *g, xr_var global, xr_var residual) {
  global = xr_repeat_of(g, "global", xr_layernorm_of(g, global, "ln_global", EPS), 1, xr_shape_of(g, residual).dim[1]);
  xr_var sum = xr_add_of(g, "global.residual", global, residual);
  return (xr_esa_sets){.sets = xr_l2_normalize_rows(g, "sets", sum), .residual = residual};
}

xr_esa_sets xr_esa_slot(xr_graph *g, const xr_esa_slot_options *options, const xr_esa_slot_input *in) {
  const xr_shape tokens = xr_shape_of(g, in->tokens);
  if (xr_graph_status(g) != XR_OK) return (xr_esa_sets){{0}, {0}};
  if (options->depth < 1) {
    xr_graph_fail(g, XR_BAD_ARGUMENT, "a slot block of %lld iterations; at least one", (long long)options->depth);
    return (xr_esa_sets){{0}, {0}};
  }
  const slot_block block = make_block(g, options, in);
  xr_var e = in->set.id ? in->set : xr_esa_slot_set(g, options->set_size, xr_last_dim(tokens));
  for (int64_t i = 0; i < options->depth; i++) {
    char pass[32];
    snprintf(pass, sizeof pass, "iteration.%lld", (long long)i);
    xr_pass_begin(g, pass);
    e = iterate(g, &block, e, tokens.dim[0]);
    xr_pass_end(g);
  }
  return xr_esa_over_global(g, in->global, xr_layernorm_of(g, e, "ln_out", EPS));
}
