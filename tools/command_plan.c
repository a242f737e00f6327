#include <stdio.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/largest_batch.h"
#include "tools/output.h"
#include "tools/run_options.h"

static const xr_command_text text = {
    .name = "plan",
    .usage = "CONFIG [key=value ...] [--nodes] [--memory GIB,..] [--json FILE]",
    .summary = "Says what a training step will need: parameters, memory by class, arithmetic. Needs no data and no device.",
    .example = "  xreid plan configs/irra_cuhk-pedes.yaml\n  xreid plan configs/irra_cuhk-pedes.yaml sampler.batch=128 "
               "model.precision=bf16 --nodes",
};

static int write_json(const xr_model *model, xr_device_speed speed, const char *path) {
  char *json = xr_plan_to_json(model->plan, speed);
  xr_status status = xr_write_output(path, json);
  free(json);
  return status == XR_OK ? XR_EXIT_DONE : xr_command_failed();
}

static int show(const xr_model *model, bool nodes, xr_device_speed speed, const char *json) {
  if (xr_plan_check(model->plan) != XR_OK) return xr_command_failed();
  if (xr_is_standard_output(json)) return write_json(model, speed, json);
  if (nodes) xr_plan_print_nodes(model->plan, stdout);
  xr_print_plan_summary(model, stdout);
  printf("floor of a step at %.0f TFLOP/s and %.0f GB/s\n  %-28s %14.2f ms\n", speed.flops_per_second * 1e-12,
         speed.bytes_per_second * 1e-9, "", 1e3 * xr_plan_floor_seconds(model->plan, speed));
  printf("largest at the fullest moment\n");
  xr_plan_print_largest(model->plan, 10, stdout);
  return json ? write_json(model, speed, json) : XR_EXIT_DONE;
}

/* memory: "24,80", in GiB */
static int show_largest_batches(xr_config *config, const char *memory) {
  printf("largest batch, %s, %.0f GiB kept for the device's own needs\n  %-18s %12s %12s\n",
         config->model.precision == XR_CONFIG_BF16 ? "bf16" : "f32", (double)XR_DEVICE_RESERVE_BYTES / 1073741824.0, "", "kept",
         "recomputed");
  for (char *end; *memory; memory = *end == ',' ? end + 1 : end) {
    const double gib = strtod(memory, &end);
    if (end == memory || (*end && *end != ',') || !(gib > 1) || gib > 1e6)
      return xr_usage_error(&text, "--memory takes numbers of GiB above 1, such as 24,80, not '%s'", memory);
    const size_t bytes = (size_t)(gib * 1073741824.0) - XR_DEVICE_RESERVE_BYTES;
    int64_t kept, recomputed;
    if (xr_largest_batch(config, XR_CONFIG_RECOMPUTE_NONE, bytes, &kept) != XR_OK ||
        xr_largest_batch(config, XR_CONFIG_RECOMPUTE_BLOCKS, bytes, &recomputed) != XR_OK)
      return xr_command_failed();
    printf("  %-7g GiB        %12lld %12lld\n", gib, (long long)kept, (long long)recomputed);
  }
  return XR_EXIT_DONE;
}

int xr_command_plan(int argc, char **argv) {
  bool nodes = false;
  const char *json = NULL, *memory = NULL;
  int64_t tflops = 790, bandwidth = 4000; /* an H200: bf16 products and copies as they are measured, not as the data sheet says */
  xr_run_options run = {0};
  xr_option options[] = {
      {.name = "nodes", .kind = XR_FLAG, .value = &nodes, .help = "one line for every node"},
      {.name = "json", .kind = XR_TEXT, .value = &json, .argument = "FILE", .help = "the plan as JSON; - for standard output"},
      {.name = "memory",
       .kind = XR_TEXT,
       .value = &memory,
       .argument = "GIB,..",
       .help = "also the largest batches for devices of these sizes"},
      {.name = "tflops",
       .kind = XR_INTEGER,
       .value = &tflops,
       .argument = "N",
       .help = "TFLOP/s of the assumed device; default 790",
       .minimum = 1,
       .maximum = 1000000},
      {.name = "bandwidth",
       .kind = XR_INTEGER,
       .value = &bandwidth,
       .argument = "N",
       .help = "its memory's GB/s; default 4000",
       .minimum = 1,
       .maximum = 1000000},
      XR_RUN_OPTIONS(run),
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  xr_config *config;
  wrong = xr_open_config(&text, &run, positional, argv, &config);
  if (wrong >= 0) return wrong;
  xr_task task = {0};
  xr_model model = {0};
  int code = xr_task_describe(&task, config) == XR_OK && xr_model_new(&model, &task, (xr_model_options){0}) == XR_OK
                 ? show(&model, nodes, (xr_device_speed){(double)tflops * 1e12, (double)bandwidth * 1e9}, json)
                 : xr_command_failed();
  xr_model_free(&model);
  xr_task_close(&task);
  if (code == XR_EXIT_DONE && memory) code = show_largest_batches(config, memory);
  xr_config_free(config);
  return code;
}
