#include "host/train/model.h"

#include <string.h>

static xr_dtype compute_dtype(const xr_config *c) { return c->model.precision == XR_CONFIG_BF16 ? XR_BF16 : XR_F32; }

static xr_parameter_options parameter_options(const xr_model *m) {
  const xr_config *c = m->task->config;
  return (xr_parameter_options){.seed = (uint64_t)c->train.seed,
                                .compute = compute_dtype(c),
                                .training = true,
                                .moments = xr_optimizer_moments(c),
                                .backend = m->options.backend};
}

static xr_status record(xr_model *m) {
  const xr_config *c = m->task->config;
  m->graph = xr_graph_new(m->parameters, (xr_graph_options){.name = "train", .compute = compute_dtype(c), .training = true});
  if (!m->graph) return XR_NO_MEMORY;
  m->task->method->train(m->graph, &m->task->context, &m->inputs);
  XR_TRY(xr_graph_status(m->graph));
  XR_TRY(xr_plan_new(&m->plan, m->graph, m->inputs.total, (xr_plan_options){.backend = m->options.backend}));
  XR_TRY(xr_encoder_new(&m->encoder, m->task, m->parameters,
                        (xr_encoder_options){.compute = compute_dtype(c),
                                             .backend = m->options.backend,
                                             .no_graph = m->options.no_graph,
                                             .tf32 = c->model.tf32,
                                             .rank = true}));
  xr_parameters_lay_out(m->parameters, parameter_options(m));
  return XR_OK;
}

xr_status xr_model_new(xr_model *m, const xr_task *task, xr_model_options options) {
  *m = (xr_model){.task = task, .options = options, .parameters = xr_parameters_new()};
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

xr_status xr_model_allocate(xr_model *m) {
  const xr_model_options *o = &m->options;
  XR_TRY(xr_parameters_allocate(m->parameters, parameter_options(m)));
  XR_TRY(xr_executor_memory_new(&m->arena, m->plan, arena_bytes(m)));
  XR_TRY(xr_optimizer_new(&m->optimizer, m->task->config, m->parameters));
  return xr_executor_new(&m->executor, m->plan,
                         (xr_executor_options){.poison = o->poison,
                                               .no_graph = o->no_graph,
                                               .tf32 = m->task->config->model.tf32,
                                               .memory = m->arena,
                                               .tail = xr_optimizer_tail(m->optimizer)});
}

void xr_model_free(xr_model *m) {
  xr_executor_free(m->executor);
  xr_optimizer_free(m->optimizer);
  xr_device_free(m->options.backend, m->arena);
  xr_encoder_free(m->encoder);
  xr_plan_free(m->plan);
  xr_graph_free(m->graph);
  xr_parameters_free(m->parameters);
  memset(m, 0, sizeof *m);
}

static xr_status copy_input(const xr_graph *g, xr_executor *e, xr_var input, const void *from) {
  if (!input.id || !from) return XR_OK;
  void *to = xr_executor_input(e, input);
  if (!to) return XR_DEVICE;
  memcpy(to, from, (size_t)xr_elements(xr_shape_of(g, input)) * xr_dtype_bytes(xr_dtype_of(g, input)));
  return XR_OK;
}

static xr_status copy_end(xr_executor *e, xr_var input, const xr_batch *batch) {
  if (!input.id) return XR_OK;
  int32_t *end = xr_executor_input(e, input);
  if (!end) return XR_DEVICE;
  for (int32_t i = 0; i < batch->size; i++) end[i] = batch->lengths[i] - 1;
  return XR_OK;
}

static xr_status copy_masked(const xr_graph *g, const xr_training_graph *inputs, xr_executor *e, const xr_batch *batch) {
  if (!inputs->masked_ids.id) return XR_OK;
  const int64_t rows = xr_shape_of(g, inputs->mask_index).dim[0];
  if (!batch->masked_tokens || batch->mask_rows != rows)
    return xr_fail(XR_BAD_ARGUMENT, "the batch has %lld rows for masked words, the graph %lld", (long long)batch->mask_rows,
                   (long long)rows);
  XR_TRY(copy_input(g, e, inputs->masked_ids, batch->masked_tokens));
  XR_TRY(copy_input(g, e, inputs->mask_index, batch->mask_index));
  return copy_input(g, e, inputs->mask_label, batch->mask_label);
}

xr_status xr_feed_training(const xr_graph *g, const xr_training_graph *inputs, xr_executor *e, const xr_batch *batch) {
  XR_TRY(copy_input(g, e, inputs->pixels, batch->pixels));
  XR_TRY(copy_input(g, e, inputs->decisions, batch->decisions));
  XR_TRY(copy_input(g, e, inputs->ids, batch->tokens));
  XR_TRY(copy_input(g, e, inputs->length, batch->lengths));
  XR_TRY(xr_feed_lengths(e, inputs->joint_length, inputs->joint_scales, 0, batch->lengths, batch->size));
  XR_TRY(xr_feed_lengths(e, inputs->words, 1, inputs->words_without, batch->lengths, batch->size));
  XR_TRY(copy_masked(g, inputs, e, batch));
  XR_TRY(copy_input(g, e, inputs->identity, batch->labels));
  XR_TRY(copy_input(g, e, inputs->image, batch->image_ids));
  XR_TRY(copy_end(e, inputs->end, batch));
  return xr_executor_upload(e);
}

float xr_model_loss(const xr_model *m, xr_var loss) { return *(const float *)xr_executor_value(m->executor, loss); }
