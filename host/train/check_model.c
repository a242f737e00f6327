#include "host/train/check_model.h"

#include <string.h>

#include "host/graph/check_nodes.h"
#include "host/train/model.h"
#include "host/train/training_data.h"

enum { WORST = 10 };

/* A node in bf16 rounds its weights, its result and perhaps something in between to 8 bits, a relative error of up to 2^-9 each: four of
 * them. Two backends in f32 differ in the order of their sums and in their elementary functions. */
static const double BF16_LIMIT = 4 * 0x1p-9, F32_LIMIT = 0x1p-14;

typedef struct {
  xr_parameters *parameters; /* one set of them where both sides compute in one place */
  bool own_parameters;
  xr_graph *graph;
  xr_training_graph inputs;
  xr_plan *plan;
  xr_executor *executor;
} side;

static xr_status make_side(side *s, const xr_task *task, xr_parameters *shared, xr_dtype compute, xr_backend backend) {
  s->own_parameters = !shared;
  s->parameters = shared ? shared : xr_parameters_new();
  s->graph = s->parameters ? xr_graph_new(s->parameters, (xr_graph_options){.name = "check", .compute = compute, .training = true}) : NULL;
  if (!s->graph) return XR_NO_MEMORY;
  task->method->train(s->graph, &task->context, &s->inputs);
  XR_TRY(xr_graph_status(s->graph));
  return xr_plan_new(&s->plan, s->graph, s->inputs.total, (xr_plan_options){.backend = backend, .no_reuse = true});
}

static void free_side(side *s) {
  xr_executor_free(s->executor);
  xr_plan_free(s->plan);
  xr_graph_free(s->graph);
  if (s->own_parameters) xr_parameters_free(s->parameters);
}

static void print(const xr_node_difference *worst, FILE *out) {
  fprintf(out, "%10s  %-14s %-18s %s\n", "difference", "of", "operation", "node");
  for (int i = 0; i < WORST && worst[i].path; i++)
    fprintf(out, "%10.2e  %s %-3d   %-18s %s\n", worst[i].error, worst[i].backward ? "gradient" : "output  ", worst[i].slot, worst[i].op,
            worst[i].path);
}

static xr_status make_sides(side *sides, const xr_task *task, xr_dtype compute, xr_backend backend) {
  const xr_parameter_options options = {.seed = (uint64_t)task->config->train.seed, .compute = compute, .training = true};
  xr_parameter_options there = options;
  there.backend = backend;
  XR_TRY(make_side(&sides[0], task, NULL, compute, backend));
  XR_TRY(make_side(&sides[1], task, backend == XR_CPU ? sides[0].parameters : NULL, backend == XR_CPU ? XR_F32 : compute, XR_CPU));
  XR_TRY(xr_parameters_allocate(sides[0].parameters, there));
  return sides[1].own_parameters ? xr_parameters_allocate(sides[1].parameters, options) : XR_OK;
}

static xr_status compare(const xr_task *task, side *sides, xr_backend backend, xr_training_data *data, FILE *out) {
  const xr_dtype compute = task->config->model.precision == XR_CONFIG_BF16 ? XR_BF16 : XR_F32;
  xr_node_difference worst[WORST];
  const xr_batch *batch;
  XR_TRY(make_sides(sides, task, compute, backend));
  XR_TRY(xr_loader_start_epoch(data->loader, 0, 0));
  XR_TRY(xr_loader_next(data->loader, &batch));
  for (int i = 0; i < 2; i++) {
    XR_TRY(xr_executor_new(&sides[i].executor, sides[i].plan, (xr_executor_options){0}));
    XR_TRY(xr_feed_training(sides[i].graph, &sides[i].inputs, sides[i].executor, batch));
  }
  memset(worst, 0, sizeof worst);
  xr_status status = xr_check_nodes(sides[0].executor, sides[1].executor, (xr_seed){(uint64_t)task->config->train.seed, 0},
                                    compute == XR_BF16 ? BF16_LIMIT : F32_LIMIT, worst, WORST);
  print(worst, out);
  return status;
}

xr_status xr_check_model(const xr_config *config, xr_backend backend, FILE *out) {
  xr_task task = {0};
  xr_training_data data = {0};
  side sides[2] = {{0}};
  if (backend == XR_CPU && config->model.precision != XR_CONFIG_BF16)
    return xr_fail(XR_BAD_INPUT, "on the CPU --check-nodes compares bf16 with f32: add model.precision=bf16");
  xr_status status = xr_task_open(&task, config, 1u << XR_SPLIT_TRAIN);
  if (status == XR_OK) status = xr_training_data_open(&data, &task);
  if (status == XR_OK) status = compare(&task, sides, backend, &data, out);
  for (int i = 1; i >= 0; i--) free_side(&sides[i]);
  xr_training_data_close(&data);
  xr_task_close(&task);
  return status;
}
