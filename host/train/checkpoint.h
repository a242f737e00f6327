/* Checkpoints: one safetensors file with everything a run needs to go on bit for bit.
 *
 *   <parameter name>                        f32 master weights
 *   optimizer.moment.0.<parameter name>     f32, and moment.1 likewise (training checkpoints)
 *   metadata                                xreid version, configuration (YAML), its progress as JSON, and what models/weights.h reads
 *
 * A file appears under its name whole or not at all; an older one stays until the new one is complete. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/graph/parameters.h"
#include "host/io/config.h"

/* Where a run stands. Random numbers, sample order and augmentation are functions of (seed, epoch, step), so this is all the state there
 * is. */
typedef struct {
  int64_t step;    /* updates done */
  int64_t epoch;   /* the epoch to go on with */
  int64_t batch;   /* its first batch that was not used yet */
  int64_t updates; /* updates the optimiser made (steps without a finite gradient are left out) */
  double best;     /* the best selection score so far; -1: none */
  int64_t best_step;
} xr_progress_state;

/* `progress` NULL: the weights alone, which cannot be resumed from. */
xr_status xr_checkpoint_save(const char *path, const xr_config *config, const xr_parameters *parameters, const xr_progress_state *progress);

/* Loads into allocated parameters: the file's tensors must be just theirs (models/weights.h loads from other files). Moments are loaded
 * when the parameters have them and `progress` is not NULL; then they must be there, and the stored configuration must have the same values
 * in everything that shapes the run. The message lists what does not fit by name. */
xr_status xr_checkpoint_load(const char *path, xr_parameters *parameters, xr_progress_state *progress);

/* The stored configuration as YAML text (malloc; the caller frees it). */
xr_status xr_checkpoint_config(const char *path, char **yaml);

/* The newest of <folder>/step-*.safetensors into path[XR_PATH_MAX]; XR_NOT_FOUND when there is none. */
xr_status xr_checkpoint_newest(const char *folder, char *path);
/* Removes all but the newest `keep` of them. */
xr_status xr_checkpoint_prune(const char *folder, int64_t keep);
/* "<folder>/step-00000120.safetensors" into path[XR_PATH_MAX]. */
xr_status xr_checkpoint_path(char *path, const char *folder, int64_t step);
