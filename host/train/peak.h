/* "% of peak": the time that a step's plan needs at the speed of the machine, by the time that steps take.
 *
 * The speed is what train.peak_* say; else what environment.json remembers of the same device, threads and kind of products; else it is
 * measured and remembered there: rounds of a few tenths of a second until the best is not bettered by much, because whatever else the
 * machine does in that time makes it look slower. A step in less than that time proves that the speed is higher than was measured (or that
 * tensors stay in a cache between the nodes that write and read them; the plan counts each as going to memory). A measured speed is then
 * raised to what the step proves, so that 100 % is the fastest step so far; one that train.peak_* give stays, and shares above 100 % say
 * that it is too low. */
#pragma once

#include "host/graph/plan.h"
#include "host/train/run_folder.h"

/* `backend` is where the run computes. */
xr_status xr_run_peak(const xr_run_folder *run, const xr_config *config, xr_backend backend, xr_device_speed *speed);

/* Steps ran at `share` > 1 of *speed: raises it and what is remembered, unless the configuration gives it; *raised says which. */
xr_status xr_run_peak_raise(const xr_run_folder *run, const xr_config *config, xr_backend backend, double share, xr_device_speed *speed,
                            bool *raised);
