#include "host/train/model.h"

#include <string.h>

#include "host/base/memory.h"

static xr_dtype compute_dtype(const xr_config *c) { return c->model.precision == XR_CONFIG_BF16 ? XR_BF16 : XR_F32; }

static xr_parameter_options parameter_options(const xr_config *c) {
  return (xr_parameter_options){.seed = (uint64_t)c->train.seed, .compute = compute_dtype(c), .training = true, .moments = xr_optimizer_moments(c)};
}

static xr_status record(xr_model *m) {
  const xr_config *c = m->task->config;
  m->graph = xr_graph_new(m->parameters, (xr_graph_options){.name = "train", .compute = compute_dtype(c), .training = true});
  if (!m->graph) return XR_NO_MEMORY;
  m->task->method->train(m->graph, &m->task->context, &m->inputs);
  XR_TRY(xr_graph_status(m->graph));
  XR_TRY(xr_plan_new(&m->plan, m->graph, m->inputs.total, (xr_plan_options){.backend = XR_CPU}));
  XR_TRY(xr_encoder_new(&m->encoder, m->task, m->parameters, compute_dtype(c)));
  xr_parameters_lay_out(m->parameters, parameter_options(c));
  return XR_OK;
}

xr_status xr_model_new(xr_model *m, const xr_task *task) {
  *m = (xr_model){.task = task, .parameters = xr_parameters_new()};
  xr_status status = m->parameters ? record(m) : XR_NO_MEMORY;
  if (status != XR_OK) xr_model_free(m);
  return status;
}

static size_t arena_bytes(const xr_model *m) {
  size_t train = xr_plan_memory(m->plan).arena, encode = xr_encoder_arena_bytes(m->encoder);
  return train > encode ? train : encode;
}

size_t xr_model_bytes(const xr_model *m) {
  xr_memory memory = xr_plan_memory(m->plan);
  return memory.total - memory.arena + arena_bytes(m);
}

xr_status xr_model_allocate(xr_model *m, bool poison) {
  XR_TRY(xr_parameters_allocate(m->parameters, parameter_options(m->task->config)));
  m->arena = xr_block_alloc(arena_bytes(m));
  if (!m->arena)
    return xr_fail(XR_NO_MEMORY, "out of memory: the run needs %.1f MiB, %.1f MiB of them for activations; a smaller sampler.batch or eval.batch needs less",
                   (double)xr_model_bytes(m) / 1048576.0, (double)arena_bytes(m) / 1048576.0);
  XR_TRY(xr_executor_new(&m->executor, m->plan, (xr_executor_options){.poison = poison, .memory = m->arena}));
  return xr_optimizer_new(&m->optimizer, m->task->config, m->parameters);
}

void xr_model_free(xr_model *m) {
  xr_optimizer_free(m->optimizer);
  xr_executor_free(m->executor);
  xr_block_free(m->arena);
  xr_encoder_free(m->encoder);
  xr_plan_free(m->plan);
  xr_graph_free(m->graph);
  xr_parameters_free(m->parameters);
  memset(m, 0, sizeof *m);
}

static void copy_input(xr_model *m, xr_var input, const void *from) {
  if (!input.id || !from) return;
  size_t bytes = (size_t)xr_elements(xr_shape_of(m->graph, input)) * xr_dtype_bytes(xr_dtype_of(m->graph, input));
  memcpy(xr_executor_input(m->executor, input), from, bytes);
}

void xr_model_feed(xr_model *m, const xr_batch *batch) {
  copy_input(m, m->inputs.pixels, batch->pixels);
  copy_input(m, m->inputs.decisions, batch->decisions);
  copy_input(m, m->inputs.ids, batch->tokens);
  copy_input(m, m->inputs.identity, batch->labels);
  copy_input(m, m->inputs.image, batch->image_ids);
  if (m->inputs.end.id) {
    int32_t *end = xr_executor_input(m->executor, m->inputs.end);
    for (int32_t i = 0; i < batch->size; i++) end[i] = batch->lengths[i] - 1;
  }
}

float xr_model_loss(const xr_model *m, xr_var loss) { return *(const float *)xr_executor_value(m->executor, loss); }
