#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/eval/encoder.h"
#include "host/eval/result_json.h"
#include "host/train/weights_file.h"
#include "models/weights.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/print_evaluation.h"
#include "tools/run_options.h"

static const xr_command_text text = {
    .name = "eval",
    .usage = "CONFIG [key=value ...] --weights FILE|RUN [--split test] [--json FILE]",
    .summary = "Evaluates trained weights: CMC, mAP and mINP of a split.",
    .example = "  xreid eval configs/quickstart.yaml --weights runs/quickstart\n"
               "  xreid eval runs/irra/config.yaml --weights runs/irra/checkpoints/best.safetensors --json result.json",
};

static xr_status evaluate(const xr_config *config, xr_device device, bool no_graph, const char *weights, xr_split_id split,
                          xr_evaluation *result) {
  char path[XR_PATH_MAX];
  xr_task task = {0};
  xr_encoder *encoder = NULL;
  xr_split_features features = {0};
  xr_dtype compute = config->model.precision == XR_CONFIG_BF16 ? XR_BF16 : XR_F32;
  xr_parameters *parameters = xr_parameters_new();
  xr_status status = parameters ? xr_find_weights(weights, path) : XR_NO_MEMORY;
  if (status == XR_OK) status = xr_task_open(&task, config, 1u << XR_SPLIT_TRAIN | 1u << split);
  if (status == XR_OK)
    status = xr_encoder_new(
        &encoder, &task, parameters,
        (xr_encoder_options){
            .compute = compute, .backend = device.backend, .no_graph = no_graph, .tf32 = config->model.tf32, .rank = true});
  if (status == XR_OK) status = xr_parameters_allocate(parameters, (xr_parameter_options){.compute = compute, .backend = device.backend});
  if (status == XR_OK) status = xr_weights_load_file(path, config, parameters, XR_WEIGHTS_TO_ENCODE);
  if (status == XR_OK) status = xr_encode_split(encoder, split, NULL, &features);
  if (status == XR_OK) status = xr_rank_split(&task, split, &features, 0, result);
  xr_split_features_free(&features);
  xr_encoder_free(encoder);
  xr_parameters_free(parameters);
  xr_task_close(&task);
  return status;
}

static int report(const xr_evaluation *result, const char *json) {
  if (!xr_is_standard_output(json)) xr_print_evaluation(result);
  if (!json) return XR_EXIT_DONE;
  char *out = xr_eval_json(result, 1);
  xr_status status = xr_write_output(json, out);
  free(out);
  return status == XR_OK ? XR_EXIT_DONE : xr_command_failed();
}

int xr_command_eval(int argc, char **argv) {
  const char *weights = NULL, *split_name = "test", *protocol = "text-to-image", *json = NULL;
  xr_run_options run = {0};
  xr_option options[] = {
      {.name = "weights",
       .kind = XR_TEXT,
       .value = &weights,
       .argument = "FILE|RUN",
       .help = "a checkpoint, CLIP's weights, or a run folder: its best weights"},
      {.name = "split", .kind = XR_TEXT, .value = &split_name, .argument = "NAME", .help = "train, val or test; default: test"},
      {.name = "protocol", .kind = XR_TEXT, .value = &protocol, .argument = "NAME", .help = "text-to-image"},
      {.name = "json", .kind = XR_TEXT, .value = &json, .argument = "FILE", .help = "the result as JSON; - for standard output"},
      XR_RUN_OPTIONS(run),
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  int split = 0;
  while (split <= XR_SPLIT_TEST && strcmp(xr_split_name((xr_split_id)split), split_name) != 0) split++;
  if (split > XR_SPLIT_TEST) return xr_usage_error(&text, "there is no split '%s': train, val, test", split_name);
  if (strcmp(protocol, "text-to-image") != 0)
    return xr_usage_error(&text, "there is no protocol '%s' for this data: text-to-image", protocol);
  if (!weights) return xr_usage_error(&text, "--weights is missing");
  xr_config *config;
  wrong = xr_open_config(&text, &run, positional, argv, &config);
  if (wrong >= 0) return wrong;
  xr_evaluation result;
  xr_device device;
  wrong = xr_open_device(&text, &run, &device);
  if (wrong >= 0) {
    xr_config_free(config);
    return wrong;
  }
  int code = XR_EXIT_FAILED;
  if (evaluate(config, device, run.no_graph, weights, (xr_split_id)split, &result) == XR_OK) {
    code = report(&result, json);
    xr_evaluation_free(&result);
  } else {
    xr_command_failed();
  }
  xr_config_free(config);
  return code;
}
