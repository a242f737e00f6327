/* How large a batch a device's memory takes. */
#pragma once

#include "host/io/config.h"

/* What the CUDA context and the libraries take for themselves, about. */
#define XR_DEVICE_RESERVE_BYTES (1ULL << 30)

/* The largest sampler.batch (a multiple of sampler.instances with the identity sampler) whose training and evaluation fit into `bytes`, by
 * planning; 0: not even the smallest. eval.batch is as configured. XR_BAD_INPUT: the configuration cannot be planned. */
xr_status xr_largest_batch(xr_config *config, xr_config_recompute recompute, size_t bytes, int64_t *batch);
