#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/log.h"
#include "host/train/check_model.h"
#include "host/train/model.h"
#include "host/train/trainer.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/run_options.h"
#include "tools/stop_signal.h"

static const xr_command_text text = {
    .name = "train",
    .usage = "CONFIG [key=value ...] [--out DIR] [--resume]",
    .summary = "Trains a model, evaluates it, and writes a run folder with checkpoints, metrics and a report.",
    .example = "  xreid train configs/quickstart.yaml --out runs/quickstart\n"
               "  xreid train configs/irra_cuhk-pedes.yaml data.root=/data/CUHK-PEDES train.epochs=5 --out runs/irra\n"
               "  xreid train configs/irra_cuhk-pedes.yaml --out runs/irra --resume",
};

static int print_plan(const xr_config *config) {
  xr_task task;
  xr_model model;
  if (xr_task_describe(&task, config) != XR_OK || xr_model_new(&model, &task, (xr_model_options){0}) != XR_OK) return xr_command_failed();
  xr_print_plan_summary(&model, stdout);
  xr_model_free(&model);
  xr_task_close(&task);
  return XR_EXIT_DONE;
}

static int train(const xr_config *config, const xr_train_options *options) {
  xr_train_result result;
  if (xr_train(config, options, &result) != XR_OK) return xr_command_failed();
  if (result.stopped)
    xr_info("Go on with: xreid train CONFIG --out %s --resume", options->folder);
  else
    xr_print_results(result.row, result.rows, stdout);
  return XR_EXIT_DONE;
}

static int check_model(const xr_config *config, xr_backend backend) {
  if (xr_check_model(config, backend, stdout) != XR_OK) return xr_command_failed();
  puts("no node differs more than rounding explains");
  return XR_EXIT_DONE;
}

int xr_command_train(int argc, char **argv) {
  bool resume = false, dry_run = false, poison = false, check_nodes = false;
  const char *out = NULL;
  xr_run_options run = {0};
  xr_option options[] = {
      {.name = "out",
       .kind = XR_TEXT,
       .value = &out,
       .argument = "DIR",
       .help = "the run folder; default: runs/<name of the configuration>"},
      {.name = "resume", .kind = XR_FLAG, .value = &resume, .help = "go on from the newest checkpoint in the run folder"},
      {.name = "dry-run", .kind = XR_FLAG, .value = &dry_run, .help = "print the plan and stop"},
      {.name = "check-nodes",
       .kind = XR_FLAG,
       .value = &check_nodes,
       .help = "debugging: compare every node on one batch, CUDA with the CPU, or bf16 with f32 on the CPU, and stop"},
      {.name = "poison", .kind = XR_FLAG, .value = &poison, .help = "debugging: fill dead memory with NaN"},
      XR_RUN_OPTIONS(run),
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  xr_config *config;
  wrong = xr_open_config(&text, &run, positional, argv, &config);
  if (wrong >= 0) return wrong;
  xr_device device = {XR_CPU, 0};
  wrong = dry_run ? -1 : xr_open_device(&text, &run, &device);
  if (wrong >= 0) {
    xr_config_free(config);
    return wrong;
  }
  char folder[4096];
  snprintf(folder, sizeof folder, "runs/%s", *config->name ? config->name : "run");
  int code = dry_run       ? print_plan(config)
             : check_nodes ? check_model(config, device.backend)
                           : train(config, &(xr_train_options){.folder = out ? out : folder,
                                                               .resume = resume,
                                                               .backend = device.backend,
                                                               .poison = poison,
                                                               .no_graph = run.no_graph,
                                                               .stop = xr_stop_on_signals()});
  xr_config_free(config);
  return code;
}
