#include "host/train/optimizer.h"

#include <stdlib.h>

#include "host/base/memory.h"
#include "kernels/optimizer/adam.h"
#include "kernels/optimizer/global_norm.h"
#include "kernels/optimizer/sgd.h"

struct xr_optimizer {
  const xr_config *config;
  xr_parameters *parameters;
  xr_step_tail tail;
  xr_optimizer_step next; /* the tail's scalars */
  xr_update last;         /* the tail's results */
  /* on the backend */
  xr_segment_table table;
  xr_optimizer_step *now;
  xr_update *update;
  double *workspace; /* of the global norm */
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

static xr_backend backend_of(const xr_optimizer *o) { return xr_parameters_options(o->parameters).backend; }

static xr_global_norm norm_of(const xr_optimizer *o, const float *loss) {
  return (xr_global_norm){.table = o->table,
                          .gradient = xr_parameters_arrays(o->parameters).gradient,
                          .loss = loss,
                          .max_norm = (float)o->config->optimizer.clip_norm,
                          .norm = &o->update->gradient_norm,
                          .factor = &o->now->gradient_scale,
                          .first_bad = &o->update->bad_parameter,
                          .workspace = o->workspace};
}

static xr_status run_sgd(const xr_optimizer *o, xr_backend backend, xr_stream stream) {
  const xr_parameter_arrays a = xr_parameters_arrays(o->parameters);
  const xr_sgd k = {.table = o->table,
                    .momentum = (float)o->config->optimizer.momentum,
                    .nesterov = o->config->optimizer.nesterov,
                    .step = o->now,
                    .parameter = a.master,
                    .gradient = a.gradient,
                    .momentum_buffer = a.moment[0],
                    .compute = a.compute};
  return XR_ON_BACKEND(backend, stream, xr_sgd, &k);
}

static xr_status run_adam(const xr_optimizer *o, xr_backend backend, xr_stream stream) {
  const xr_parameter_arrays a = xr_parameters_arrays(o->parameters);
  const xr_adam k = {.table = o->table,
                     .beta1 = o->config->optimizer.beta1,
                     .beta2 = o->config->optimizer.beta2,
                     .decoupled_decay = o->config->optimizer.kind == XR_CONFIG_ADAMW,
                     .step = o->now,
                     .parameter = a.master,
                     .gradient = a.gradient,
                     .first_moment = a.moment[0],
                     .second_moment = a.moment[1],
                     .compute = a.compute};
  return XR_ON_BACKEND(backend, stream, xr_adam, &k);
}

/* The norm leaves its factor in the step that the update reads: not finite, and the update leaves everything as it is. */
static xr_status run(void *context, const float *loss, xr_backend backend, xr_stream stream) {
  const xr_optimizer *o = context;
  const xr_global_norm norm = norm_of(o, loss);
  XR_TRY(XR_ON_BACKEND(backend, stream, xr_global_norm, &norm));
  return o->config->optimizer.kind == XR_CONFIG_SGD ? run_sgd(o, backend, stream) : run_adam(o, backend, stream);
}

/* `bytes` from plain memory (NULL: nothing yet) in new memory of the backend. */
static xr_status place(xr_backend backend, const void *from, size_t bytes, void **to) {
  XR_TRY(xr_device_alloc(backend, to, bytes));
  return from ? xr_device_write(backend, *to, from, bytes) : xr_device_zero(backend, *to, bytes);
}

static xr_status place_table(xr_optimizer *o, const xr_segment *segments, int64_t count, int64_t chunks) {
  const xr_backend backend = backend_of(o);
  void *segment = NULL, *chunk = NULL;
  xr_chunk *cut = calloc((size_t)chunks + 1, sizeof *cut);
  if (!cut) return xr_fail(XR_NO_MEMORY, "out of memory");
  xr_cut_segments(segments, count, cut);
  xr_status status = place(backend, segments, (size_t)count * sizeof *segments, &segment);
  if (status == XR_OK) status = place(backend, cut, (size_t)chunks * sizeof *cut, &chunk);
  free(cut);
  o->table = (xr_segment_table){.segment = segment, .chunk = chunk, .segments = count, .chunks = chunks};
  return status;
}

static xr_status make_table(xr_optimizer *o) {
  int64_t count = 0, chunks;
  xr_segment *segments = calloc((size_t)xr_parameter_count(o->parameters) + 1, sizeof *segments);
  if (!segments) return xr_fail(XR_NO_MEMORY, "out of memory");
  for (int i = 0; i < xr_parameter_count(o->parameters); i++) {
    const xr_parameter *p = xr_parameter_at(o->parameters, i);
    if (!p->kind.state) segments[count++] = segment_of(o->config, p);
  }
  xr_status status = xr_count_chunks(segments, count, &chunks);
  if (status == XR_OK) status = place_table(o, segments, count, chunks);
  free(segments);
  return status;
}

static xr_status make(xr_optimizer *o) {
  const xr_backend backend = backend_of(o);
  XR_TRY(make_table(o));
  XR_TRY(place(backend, NULL, sizeof *o->now, (void **)&o->now));
  XR_TRY(place(backend, NULL, sizeof *o->update, (void **)&o->update));
  const xr_global_norm norm = norm_of(o, NULL);
  XR_TRY(place(backend, NULL, xr_global_norm_workspace(&norm), (void **)&o->workspace));
  o->tail = (xr_step_tail){.run = run,
                           .context = o,
                           .scalars = &o->next,
                           .backend_scalars = o->now,
                           .scalar_bytes = sizeof o->next,
                           .backend_results = o->update,
                           .results = &o->last,
                           .result_bytes = sizeof o->last};
  return XR_OK;
}

xr_status xr_optimizer_new(xr_optimizer **out, const xr_config *config, xr_parameters *parameters) {
  *out = NULL;
  xr_optimizer *o = calloc(1, sizeof *o);
  if (!o) return xr_fail(XR_NO_MEMORY, "out of memory for the optimiser");
  o->config = config;
  o->parameters = parameters;
  o->last.bad_parameter = -1;
  const xr_status status = make(o);
  if (status != XR_OK) {
    xr_optimizer_free(o);
    return xr_fail_in(status, "the optimiser");
  }
  *out = o;
  return XR_OK;
}

void xr_optimizer_free(xr_optimizer *o) {
  if (!o) return;
  const xr_backend backend = backend_of(o);
  void *const blocks[] = {(void *)(uintptr_t)o->table.segment, (void *)(uintptr_t)o->table.chunk, o->now, o->update, o->workspace};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) xr_device_free(backend, blocks[i]);
  free(o);
}

const xr_step_tail *xr_optimizer_tail(const xr_optimizer *o) { return &o->tail; }

void xr_optimizer_set(xr_optimizer *o, double learning_rate, int64_t step) {
  o->next = (xr_optimizer_step){.lr = (float)learning_rate, .gradient_scale = 1, .step = step};
}

xr_update xr_optimizer_update(const xr_optimizer *o) { return o->last; }
