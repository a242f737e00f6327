/* What commands share that start from a configuration: CONFIG [key=value ...] and --device, --threads, --seed. */
#pragma once

#include <stdio.h>

#include "host/graph/device.h"
#include "host/io/config.h"
#include "host/train/model.h"
#include "tools/options.h"

typedef struct {
  const char *device;
  bool no_graph;
  int64_t threads, seed; /* threads 0: all cores; seed 0: as configured */
} xr_run_options;

#define XR_RUN_OPTIONS(run)                                                                                                               \
  {.name = "device",                                                                                                                      \
   .kind = XR_TEXT,                                                                                                                       \
   .value = &(run).device,                                                                                                                \
   .argument = "cpu|cuda|cuda:N|auto",                                                                                                    \
   .help = "where to compute; default: $XREID_DEVICE, else auto"},                                                                                            \
      {.name = "no-graph", .kind = XR_FLAG, .value = &(run).no_graph, .help = "CUDA: run node by node, so that an error names its node"}, \
      {.name = "threads",                                                                                                                 \
       .kind = XR_INTEGER,                                                                                                                \
       .value = &(run).threads,                                                                                                           \
       .argument = "N",                                                                                                                   \
       .help = "CPU threads; default: all cores",                                                                                         \
       .minimum = 1,                                                                                                                      \
       .maximum = 1024},                                                                                                                  \
  {                                                                                                                                       \
    .name = "seed", .kind = XR_INTEGER, .value = &(run).seed, .argument = "N", .help = "overrides train.seed", .minimum = 1,              \
    .maximum = INT32_MAX                                                                                                                  \
  }

/* Loads the configuration argv[0] with the overrides argv[1 .. positional-1] and applies the options. Returns -1 and the configuration, or
 * the exit code after a message. */
int xr_open_config(const xr_command_text *command, const xr_run_options *options, int positional, char **argv, xr_config **config);

/* Sets the number of threads. -1, or the exit code. */
int xr_apply_run_options(const xr_command_text *command, const xr_run_options *options);

/* The device that --device names, ready to compute. -1, or the exit code after a message. */
int xr_open_device(const xr_command_text *command, const xr_run_options *options, xr_device *device);

/* Parameters by part, memory by class, arithmetic: a screen. */
void xr_print_plan_summary(const xr_model *model, FILE *out);
