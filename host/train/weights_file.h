/* Weights as people name them: a file, or a run folder, which stands for its best checkpoint, or its newest where there is none
 * yet. */
#pragma once

#include "host/base/status.h"

/* Writes path[XR_PATH_MAX]. XR_NOT_FOUND: a folder without checkpoints. */
xr_status xr_find_weights(const char *given, char *path);
