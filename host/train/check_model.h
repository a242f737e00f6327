/* `xreid train --check-nodes`: the configured model's nodes, computed in bf16, against the same in f32, on the first batch of the training
 * data. */
#pragma once

#include <stdio.h>

#include "host/io/config.h"

/* Prints the nodes that differ most to `out`. Fails at the first node whose difference is above the limit, naming it. The configuration
 * must have model.precision: bf16. */
xr_status xr_check_model(const xr_config *config, FILE *out);
