#include "host/train/check_model.h"

#include <string.h>

#include "host/graph/check_nodes.h"
#include "host/train/model.h"
#include "host/train/training_data.h"

enum { WORST = 10 };

/* A node in bf16 rounds its weights, its result and perhaps something in between to 8 bits, a relative error of up to 2^-9 each: four of
 * them. */
static const double LIMIT = 4 * 0x1p-9;

typedef struct {
  xr_graph *graph;
  xr_training_graph inputs;
  xr_plan *plan;
  xr_executor *executor;
} side;

static xr_status make_side(side *s, const xr_task *task, xr_parameters *parameters, xr_dtype compute) {
  s->graph = xr_graph_new(parameters, (xr_graph_options){.name = "check", .compute = compute, .training = true});
  if (!s->graph) return XR_NO_MEMORY;
  task->method->train(s->graph, &task->context, &s->inputs);
  XR_TRY(xr_graph_status(s->graph));
  return xr_plan_new(&s->plan, s->graph, s->inputs.total, (xr_plan_options){.backend = XR_CPU, .no_reuse = true});
}

static void free_side(side *s) {
  xr_executor_free(s->executor);
  xr_plan_free(s->plan);
  xr_graph_free(s->graph);
}

static void print(const xr_node_difference *worst, FILE *out) {
  fprintf(out, "%10s  %-14s %-18s %s\n", "difference", "of", "operation", "node");
  for (int i = 0; i < WORST && worst[i].path; i++)
    fprintf(out, "%10.2e  %s %-3d   %-18s %s\n", worst[i].error, worst[i].backward ? "gradient" : "output  ", worst[i].slot, worst[i].op,
            worst[i].path);
}

static xr_status compare(const xr_task *task, side *sides, xr_parameters *parameters, xr_training_data *data, FILE *out) {
  xr_node_difference worst[WORST];
  const xr_batch *batch;
  XR_TRY(make_side(&sides[0], task, parameters, XR_BF16));
  XR_TRY(make_side(&sides[1], task, parameters, XR_F32));
  XR_TRY(xr_parameters_allocate(parameters,
                                (xr_parameter_options){.seed = (uint64_t)task->config->train.seed, .compute = XR_BF16, .training = true}));
  XR_TRY(xr_loader_start_epoch(data->loader, 0, 0));
  XR_TRY(xr_loader_next(data->loader, &batch));
  for (int i = 0; i < 2; i++) {
    XR_TRY(xr_executor_new(&sides[i].executor, sides[i].plan, (xr_executor_options){0}));
    xr_feed_training(sides[i].graph, &sides[i].inputs, sides[i].executor, batch);
  }
  memset(worst, 0, sizeof worst);
  xr_status status = xr_check_nodes(sides[0].executor, sides[1].executor, (xr_seed){(uint64_t)task->config->train.seed, 0}, LIMIT, worst,
                                    WORST);
  print(worst, out);
  return status;
}

xr_status xr_check_model(const xr_config *config, FILE *out) {
  xr_task task = {0};
  xr_training_data data = {0};
  side sides[2] = {{0}};
  if (config->model.precision != XR_CONFIG_BF16)
    return xr_fail(XR_BAD_INPUT, "--check-nodes compares bf16 with f32: add model.precision=bf16");
  xr_parameters *parameters = xr_parameters_new();
  xr_status status = parameters ? xr_task_open(&task, config, 1u << XR_SPLIT_TRAIN) : XR_NO_MEMORY;
  if (status == XR_OK) status = xr_training_data_open(&data, &task);
  if (status == XR_OK) status = compare(&task, sides, parameters, &data, out);
  for (int i = 0; i < 2; i++) free_side(&sides[i]);
  xr_training_data_close(&data);
  xr_parameters_free(parameters);
  xr_task_close(&task);
  return status;
}
