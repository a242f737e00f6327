/* "% of peak": the time that a step's plan needs at the speed of the machine, by the time that steps take.
 *
 * More than 100 % happens where tensors stay in a cache between the nodes that write and read them: the plan counts each as going to memory.
 * The speed is what train.peak_* say; else what environment.json remembers of the same device, threads and kind of products; else it is
 * measured (a few tenths of a second) and remembered there. */
#pragma once

#include "host/graph/plan.h"
#include "host/train/run_folder.h"

/* `backend` is where the run computes. */
xr_status xr_run_peak(const xr_run_folder *run, const xr_config *config, xr_backend backend, xr_device_speed *speed);
