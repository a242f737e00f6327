#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/log.h"
#include "host/train/reproduce.h"
#include "host/train/reproduce_report.h"
#include "tools/commands.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/run_options.h"
#include "tools/stop_signal.h"

static const xr_command_text text = {
    .name = "reproduce",
    .usage = "CONFIG [key=value ...] [--seeds 3] [--ablation] [--out DIR]",
    .summary =
        "Trains a configuration with several seeds and prints the figures beside those of its paper. The same command again goes on.",
    .example = "  xreid reproduce configs/irra_cuhk-pedes.yaml data.root=/data/CUHK-PEDES --out runs/irra-cuhk\n"
               "  xreid reproduce configs/cmsn_cuhk-pedes.yaml --ablation --seeds 5 --json ablation.json",
};

typedef struct {
  const char *folder, *json, *markdown;
  bool ablation;
} outputs;

static xr_status write_in_folder(const outputs *o, const char *ending, const char *content) {
  char name[32], path[XR_PATH_MAX];
  snprintf(name, sizeof name, "%s.%s", o->ablation ? "ablation" : "results", ending);
  XR_TRY(xr_make_folders(o->folder));
  XR_TRY(xr_path_join(path, o->folder, name));
  return xr_write_output(path, content);
}

/* Both texts into the folder; in the end also where they are asked for. */
static xr_status write_both(const outputs *o, const xr_reproduction *r, bool final) {
  char *markdown = NULL, *json = NULL;
  const bool print = !xr_is_standard_output(o->json) && !xr_is_standard_output(o->markdown);
  xr_status status = xr_reproduction_markdown(r, &markdown);
  if (status == XR_OK) status = xr_reproduction_json(r, &json);
  if (status == XR_OK) status = write_in_folder(o, "md", markdown);
  if (status == XR_OK) status = write_in_folder(o, "json", json);
  if (final && status == XR_OK && print) status = xr_write_output("-", markdown);
  if (final && status == XR_OK && o->markdown) status = xr_write_output(o->markdown, markdown);
  if (final && status == XR_OK && o->json) status = xr_write_output(o->json, json);
  free(markdown);
  free(json);
  return status;
}

static xr_status after_a_run(void *context, const xr_reproduction *r) { return write_both(context, r, false); }

static int reproduce(const xr_config *config, const xr_reproduce_options *options, const outputs *o) {
  xr_reproduction r;
  if (xr_reproduce(&r, config, options) != XR_OK) return xr_command_failed();
  const size_t finished = xr_reproduction_count(&r, XR_RUN_FINISHED), failed = xr_reproduction_count(&r, XR_RUN_FAILED);
  const size_t all = r.variant_count * (size_t)r.seeds;
  int code = XR_EXIT_DONE;
  if (r.stopped)
    xr_info("Stopped: %zu of %zu runs are finished. The same command goes on", finished, all);
  else if (write_both(o, &r, true) != XR_OK)
    code = xr_command_failed();
  else if (failed) {
    fprintf(stderr, "xreid: %zu of %zu runs failed; the table says why\n", failed, all);
    code = XR_EXIT_FAILED;
  }
  xr_reproduction_free(&r);
  return code;
}

int xr_command_reproduce(int argc, char **argv) {
  int64_t seeds = 3;
  const char *out = NULL;
  outputs o = {0};
  xr_run_options run = {0};
  xr_option options[] = {
      {.name = "seeds",
       .kind = XR_INTEGER,
       .value = &seeds,
       .argument = "N",
       .help = "runs of a variant: train.seed and those that follow; default: 3",
       .minimum = 1,
       .maximum = 1000},
      {.name = "ablation", .kind = XR_FLAG, .value = &o.ablation, .help = "every entry of the configuration's `ablation` instead"},
      {.name = "out",
       .kind = XR_TEXT,
       .value = &out,
       .argument = "DIR",
       .help = "DIR/VARIANT/seed-N are the runs; default: runs/reproduce-<name of the configuration>"},
      {.name = "json", .kind = XR_TEXT, .value = &o.json, .argument = "FILE", .help = "the results as JSON; - for standard output"},
      {.name = "markdown", .kind = XR_TEXT, .value = &o.markdown, .argument = "FILE", .help = "what is printed, in a file"},
      XR_RUN_OPTIONS(run),
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  xr_config *config;
  wrong = xr_open_config(&text, &run, positional, argv, &config);
  if (wrong >= 0) return wrong;
  xr_device device;
  wrong = xr_open_device(&text, &run, &device);
  if (wrong >= 0) {
    xr_config_free(config);
    return wrong;
  }
  char folder[XR_PATH_MAX];
  snprintf(folder, sizeof folder, "runs/reproduce-%s", *config->name ? config->name : "run");
  o.folder = out ? out : folder;
  int code = reproduce(config,
                       &(xr_reproduce_options){.path = argv[0],
                                               .overrides = (const char *const *)argv + 1,
                                               .override_count = (size_t)positional - 1,
                                               .out = o.folder,
                                               .seeds = seeds,
                                               .ablation = o.ablation,
                                               .backend = device.backend,
                                               .no_graph = run.no_graph,
                                               .stop = xr_stop_on_signals(),
                                               .progress = after_a_run,
                                               .context = &o},
                       &o);
  xr_config_free(config);
  return code;
}
