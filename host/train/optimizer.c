#include "host/train/optimizer.h"

#include <stdlib.h>

#include "host/base/memory.h"
#include "kernels/optimizer/adam.h"
#include "kernels/optimizer/global_norm.h"
#include "kernels/optimizer/sgd.h"

struct xr_optimizer {
  const xr_config *config;
  xr_parameters *parameters;
  xr_segment *segments;
  xr_chunk *chunks;
  xr_segment_table table; /* of the two above */
  double *workspace;      /* of the global norm */
};

int xr_optimizer_moments(const xr_config *c) {
  if (c->optimizer.kind != XR_CONFIG_SGD) return 2;
  return c->optimizer.momentum > 0 ? 1 : 0;
}

static xr_segment segment_of(const xr_config *c, const xr_parameter *p) {
  const xr_config_group *group = xr_config_group_of(c, p->name);
  return (xr_segment){.offset = p->offset,
                      .count = xr_elements(p->shape),
                      .compute_offset = p->compute_offset,
                      .lr_factor = group ? (float)group->lr_factor : 1,
                      .weight_decay = (float)(c->optimizer.weight_decay * (group ? group->weight_decay_factor : 1)),
                      .eps = (float)(group && group->eps > 0 ? group->eps : c->optimizer.eps)};
}

static xr_global_norm norm_of(const xr_optimizer *o) {
  return (xr_global_norm){.table = o->table,
                          .gradient = xr_parameters_arrays(o->parameters).gradient,
                          .max_norm = (float)o->config->optimizer.clip_norm,
                          .workspace = o->workspace};
}

static xr_status cut(xr_optimizer *o) {
  const int64_t count = xr_parameter_count(o->parameters);
  int64_t chunks;
  o->segments = calloc((size_t)count + 1, sizeof *o->segments);
  if (!o->segments) return xr_fail(XR_NO_MEMORY, "out of memory for the optimiser");
  for (int i = 0; i < count; i++) o->segments[i] = segment_of(o->config, xr_parameter_at(o->parameters, i));
  XR_TRY(xr_count_chunks(o->segments, count, &chunks));
  o->chunks = calloc((size_t)chunks + 1, sizeof *o->chunks);
  if (!o->chunks) return xr_fail(XR_NO_MEMORY, "out of memory for the optimiser");
  xr_cut_segments(o->segments, count, o->chunks);
  o->table = (xr_segment_table){.segment = o->segments, .chunk = o->chunks, .segments = count, .chunks = chunks};
  const xr_global_norm norm = norm_of(o);
  o->workspace = xr_block_alloc(xr_global_norm_workspace(&norm));
  return o->workspace ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory for the optimiser");
}

xr_status xr_optimizer_new(xr_optimizer **out, const xr_config *config, xr_parameters *parameters) {
  *out = NULL;
  xr_optimizer *o = calloc(1, sizeof *o);
  if (!o) return xr_fail(XR_NO_MEMORY, "out of memory");
  o->config = config;
  o->parameters = parameters;
  const xr_status status = cut(o);
  if (status != XR_OK) {
    xr_optimizer_free(o);
    return status;
  }
  *out = o;
  return XR_OK;
}

void xr_optimizer_free(xr_optimizer *o) {
  if (!o) return;
  free(o->segments);
  free(o->chunks);
  xr_block_free(o->workspace);
  free(o);
}

xr_status xr_optimizer_step_once(xr_optimizer *o, double learning_rate, int64_t step, xr_update *update) {
  const xr_config *c = o->config;
  xr_parameter_arrays a = xr_parameters_arrays(o->parameters);
  xr_optimizer_step now = {.lr = (float)learning_rate, .step = step};
  int32_t bad = -1;
  xr_global_norm norm = norm_of(o);
  norm.norm = &update->gradient_norm;
  norm.factor = &now.gradient_scale;
  norm.first_bad = &bad;
  XR_TRY(xr_global_norm_cpu(&norm));
  update->bad_parameter = bad;
  if (bad >= 0) return XR_OK;
  if (c->optimizer.kind == XR_CONFIG_SGD) {
    xr_sgd sgd = {.table = o->table,
                  .momentum = (float)c->optimizer.momentum,
                  .nesterov = c->optimizer.nesterov,
                  .step = &now,
                  .parameter = a.master,
                  .gradient = a.gradient,
                  .momentum_buffer = a.moment[0],
                  .compute = a.compute};
    return xr_sgd_cpu(&sgd);
  }
  xr_adam adam = {.table = o->table,
                  .beta1 = c->optimizer.beta1,
                  .beta2 = c->optimizer.beta2,
                  .decoupled_decay = c->optimizer.kind == XR_CONFIG_ADAMW,
                  .step = &now,
                  .parameter = a.master,
                  .gradient = a.gradient,
                  .first_moment = a.moment[0],
                  .second_moment = a.moment[1],
                  .compute = a.compute};
  return xr_adam_cpu(&adam);
}
