#include "host/train/run_folder.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "host/base/file.h"
#include "host/base/log.h"
#include "host/graph/device.h"
#include "host/train/checkpoint.h"

xr_status xr_run_folder_path(const xr_run_folder *run, const char *name, char *path) { return xr_path_join(path, run->folder, name); }

static int thread_count(void) {
#ifdef _OPENMP
  return omp_get_max_threads();
#else
  return 1;
#endif
}

/* ---- environment.json */
xr_status xr_run_environment_read(const xr_run_folder *run, json_t **environment) {
  char path[XR_PATH_MAX], *text = NULL;
  size_t size = 0;
  *environment = NULL;
  XR_TRY(xr_run_folder_path(run, "environment.json", path));
  if (xr_is_file(path)) XR_TRY(xr_read_file(path, &text, &size));
  *environment = text ? json_loadb(text, size, 0, NULL) : json_object();
  free(text);
  if (!json_is_object(*environment)) { /* cut off by a crash: it is only a record */
    json_decref(*environment);
    *environment = json_object();
  }
  return *environment ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory");
}

xr_status xr_run_environment_add(const xr_run_folder *run, json_t *members) {
  json_t *all = NULL;
  char *text = NULL, path[XR_PATH_MAX];
  xr_status status = members ? xr_run_environment_read(run, &all) : xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK && json_object_update(all, members) == 0) text = json_dumps(all, JSON_INDENT(1));
  if (status == XR_OK && !text) status = xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK) status = xr_run_folder_path(run, "environment.json", path);
  if (status == XR_OK) status = xr_write_file(path, text, strlen(text));
  json_decref(all);
  json_decref(members);
  free(text);
  return status;
}

static xr_status write_environment(const xr_run_folder *run) {
  struct utsname system = {0};
  char cpu[128], when[32], onednn[32];
  time_t now = time(NULL);
  uname(&system);
  xr_device_name(XR_CPU, cpu, sizeof cpu);
  strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
  const dnnl_version_t *dnnl = dnnl_version();
  snprintf(onednn, sizeof onednn, "%d.%d.%d", dnnl->major, dnnl->minor, dnnl->patch);
  return xr_run_environment_add(run,
                                json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:s}", "xreid", XREID_VERSION, "started", when,
                                          "system", system.sysname, "release", system.release, "machine", system.machine, "cpu", cpu,
                                          "threads", thread_count(), "cores", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "onednn", onednn));
}

/* What may differ between a run and its continuation: how long it goes, what it says, where files lie, what it is compared with. */
static void level_what_may_differ(xr_config *c, const xr_config *with, bool length) {
  if (length) {
    c->train.epochs = with->train.epochs;
    c->train.max_steps = with->train.max_steps;
  }
  c->name = with->name;
  c->paper = with->paper;
  c->ablation = with->ablation;
  c->ablation_count = with->ablation_count;
  c->train.log_every = with->train.log_every;
  c->train.checkpoint_every_epochs = with->train.checkpoint_every_epochs;
  c->train.keep = with->train.keep;
  c->train.peak_tflop_per_second = with->train.peak_tflop_per_second;
  c->train.peak_gb_per_second = with->train.peak_gb_per_second;
  c->data.workers = with->data.workers;
  c->data.cache_mib = with->data.cache_mib;
}

static xr_status check_same_run(const char *path, const xr_config *config, bool length_may_differ) {
  xr_config *known, level;
  uint64_t a = 0, b = 0;
  XR_TRY(xr_config_load(&known, path, NULL, 0));
  if (length_may_differ && known->train.epochs != config->train.epochs && config->schedule.kind == XR_CONFIG_COSINE)
    xr_warn("train.epochs was %lld and is %lld now: the cosine schedule is another one from here on", (long long)known->train.epochs,
            (long long)config->train.epochs);
  level = *known; /* its texts belong to `known` and, where levelled, to `config` */
  level_what_may_differ(&level, config, length_may_differ);
  xr_status status = xr_config_hash(&level, &a);
  if (status == XR_OK) status = xr_config_hash(config, &b);
  xr_config_free(known);
  if (status == XR_OK && a != b)
    status = xr_fail(XR_BAD_INPUT,
                     "%s: the run there has another configuration; go on with that file, or start a new run in another folder (--out)",
                     path);
  return status;
}

xr_status xr_run_folder_check(const char *folder, const xr_config *config) {
  char path[XR_PATH_MAX];
  XR_TRY(xr_path_join(path, folder, "config.yaml"));
  return xr_is_file(path) ? check_same_run(path, config, false) : XR_OK;
}

static xr_status fill(xr_run_folder *run, const xr_config *config, bool resume) {
  char path[XR_PATH_MAX], *yaml = NULL;
  XR_TRY(xr_path_join(run->checkpoints, run->folder, "checkpoints"));
  XR_TRY(xr_path_join(run->best, run->checkpoints, "best.safetensors"));
  XR_TRY(xr_path_join(run->metrics_path, run->folder, "metrics.jsonl"));
  XR_TRY(xr_run_folder_path(run, "config.yaml", path));
  if (xr_is_file(path) && !resume)
    return xr_fail(XR_BAD_INPUT, "%s holds a run already; add --resume to go on with it, or choose another --out", run->folder);
  if (xr_is_file(path)) XR_TRY(check_same_run(path, config, true));
  XR_TRY(xr_make_folders(run->checkpoints));
  XR_TRY(xr_config_to_yaml(config, &yaml));
  xr_status status = xr_write_file(path, yaml, strlen(yaml));
  free(yaml);
  if (status == XR_OK) status = write_environment(run);
  if (status == XR_OK) status = xr_run_folder_path(run, "log.txt", path);
  if (status != XR_OK) return status;
  run->log = fopen(path, "a");
  if (!run->log) return xr_fail(XR_IO, "%s: cannot write", path);
  xr_log_to(run->log);
  return XR_OK;
}

xr_status xr_run_folder_open(xr_run_folder *run, const char *folder, const xr_config *config, bool resume) {
  memset(run, 0, sizeof *run);
  XR_TRY(xr_path_join(run->folder, "", folder));
  xr_status status = fill(run, config, resume);
  if (status != XR_OK) xr_run_folder_close(run);
  return status;
}

xr_status xr_run_folder_rewind(xr_run_folder *run, int64_t last) {
  XR_TRY(xr_json_lines_keep(run->metrics_path, "step", last));
  return xr_json_lines_open(&run->metrics, run->metrics_path);
}

void xr_run_folder_close(xr_run_folder *run) {
  xr_json_lines_close(run->metrics);
  xr_log_to(NULL);
  if (run->log) fclose(run->log);
  run->metrics = NULL;
  run->log = NULL;
}
