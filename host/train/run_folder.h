/* The files of a run folder. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "host/base/file.h"
#include "host/io/config.h"
#include "host/io/json_lines.h"

typedef struct {
  char folder[XR_PATH_MAX], checkpoints[XR_PATH_MAX], best[XR_PATH_MAX], metrics_path[XR_PATH_MAX];
  FILE *log;
  xr_json_lines *metrics;
} xr_run_folder;

/* Makes the folder with config.yaml and environment.json and opens its log and metrics. A folder that holds a run is refused unless
 * `resume` is set; then its configuration must be this one, but for train.epochs, train.max_steps and what only concerns logging and files.
 */
xr_status xr_run_folder_open(xr_run_folder *run, const char *folder, const xr_config *config, bool resume);
/* XR_BAD_INPUT when `folder` holds a run of another configuration, the length of the training included. XR_OK also without any run. */
xr_status xr_run_folder_check(const char *folder, const xr_config *config);
void xr_run_folder_close(xr_run_folder *run);

/* Removes what was logged after step `last`, for a run that goes on from there. */
xr_status xr_run_folder_rewind(xr_run_folder *run, int64_t last);

/* environment.json as an object (json_decref it); empty when it is not there. _add() takes `members` and replaces those of the same names.
 */
xr_status xr_run_environment_read(const xr_run_folder *run, json_t **environment);
xr_status xr_run_environment_add(const xr_run_folder *run, json_t *members);

/* A file of the folder into path[XR_PATH_MAX]. */
xr_status xr_run_folder_path(const xr_run_folder *run, const char *name, char *path);
