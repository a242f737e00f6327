#include "models/esa_embed.h"

#include "models/esa_decoder.h"
#include "models/esa_pool.h"

static const char *const modality_name[XR_MODALITIES] = {"image", "text"};

static bool attends(const xr_config *c) { return c->esa.kind == XR_CONFIG_ESA_SLOT || c->esa.kind == XR_CONFIG_ESA_QUERY; }

xr_var xr_esa_shared(xr_graph *g, const xr_config *c) {
  xr_var shared = {0};
  if (!c->esa.shared_queries) return shared;
  xr_scope_begin(g, "esa");
  if (attends(c)) shared = xr_esa_slot_set(g, c->esa.set_size, c->model.embed);
  if (c->esa.kind == XR_CONFIG_ESA_CLUSTER) shared = xr_esa_assignment(g, c->esa.set_size, c->model.embed);
  xr_scope_end(g);
  return shared;
}

static xr_esa_sets slots(xr_graph *g, const xr_config *c, const xr_esa_input *in) {
  const xr_esa_slot_options options = {.set_size = c->esa.set_size,
                                       .depth = c->esa.depth,
                                       .heads = c->esa.heads,
                                       .head_width = c->esa.head_width,
                                       .dropout = (float)c->esa.dropout,
                                       .post_norm = c->esa.post_norm,
                                       .over_tokens = c->esa.kind == XR_CONFIG_ESA_QUERY};
  return xr_esa_slot(g, &options,
                     &(xr_esa_slot_input){.tokens = in->tokens, .length = in->length, .global = in->global, .set = in->shared});
}

static xr_esa_sets pooled(xr_graph *g, const xr_config *c, const xr_esa_input *in) {
  const xr_esa_pool_options options = {.kind = c->esa.kind,
                                       .set_size = c->esa.set_size,
                                       .dropout = (float)c->esa.dropout,
                                       .ratio = (float)(in->modality == XR_IMAGE ? c->esa.image_ratio : c->esa.text_ratio)};
  return xr_esa_pool(
      g, &options,
      &(xr_esa_pool_input){.tokens = in->tokens, .length = in->length, .global = in->global, .score = in->score, .assign = in->shared});
}

static xr_esa_sets decoded(xr_graph *g, const xr_config *c, const xr_esa_input *in) {
  const xr_esa_decoder_options options = {.set_size = c->esa.set_size,
                                          .layers = c->esa.depth,
                                          .heads = c->esa.heads,
                                          .head_width = c->esa.head_width,
                                          .dropout = (float)c->esa.dropout};
  xr_pass_begin(g, modality_name[in->modality]);
  xr_scope_begin(g, "esa");
  const xr_esa_sets sets = xr_esa_decoder(g, &options, in->tokens, in->length, in->global);
  xr_scope_end(g);
  xr_pass_end(g);
  return sets;
}

xr_esa_sets xr_esa_embed(xr_graph *g, const xr_config *c, const xr_esa_input *in) {
  if (c->esa.kind == XR_CONFIG_ESA_DECODER) return decoded(g, c, in);
  xr_scope_begin(g, "esa.%s", modality_name[in->modality]);
  const xr_esa_sets sets = attends(c) ? slots(g, c, in) : pooled(g, c, in);
  xr_scope_end(g);
  return sets;
}
