/* `xreid train --check-nodes`: the configured model's nodes on the first batch of the training data, computed twice: on the CPU in bf16 and
 * in f32, or in the configured precision on a CUDA device and on the CPU. */
#pragma once

#include <stdio.h>

#include "host/graph/device.h"
#include "host/io/config.h"

/* Prints the nodes that differ most to `out`. Fails at the first node whose difference is above the limit, naming it. On the CPU the
 * configuration must have model.precision: bf16. */
xr_status xr_check_model(const xr_config *config, xr_backend backend, FILE *out);
