/* The configured optimiser over all parameters of a model. */
#pragma once

#include "host/graph/parameters.h"
#include "host/io/config.h"

typedef struct xr_optimizer xr_optimizer;

/* How many moment arrays the configured optimiser needs: 2 for Adam and AdamW; SGD 1 with momentum, 0 without. */
int xr_optimizer_moments(const xr_config *config);

/* One segment a parameter, with the factors of its configured group. The parameters are allocated for training and outlive it. */
xr_status xr_optimizer_new(xr_optimizer **optimizer, const xr_config *config, xr_parameters *parameters);
void xr_optimizer_free(xr_optimizer *optimizer);

typedef struct {
  float gradient_norm; /* before clipping; NaN when a gradient is not finite */
  int bad_parameter;   /* index of the first parameter whose gradient is not finite: nothing was updated; -1: none */
} xr_update;

/* One update; `step` counts from 1. Clips by optimizer.clip_norm. */
xr_status xr_optimizer_step_once(xr_optimizer *optimizer, double learning_rate, int64_t step, xr_update *update);
