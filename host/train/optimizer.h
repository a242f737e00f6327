/* The configured optimiser over all parameters of a model: the tail of a training step (host/graph/executor.h). */
#pragma once

#include "host/graph/executor.h"
#include "host/graph/parameters.h"
#include "host/io/config.h"

typedef struct xr_optimizer xr_optimizer;

/* How many moment arrays the configured optimiser needs: 2 for Adam and AdamW; SGD 1 with momentum, 0 without. */
int xr_optimizer_moments(const xr_config *config);

/* One segment a parameter, with the factors of its configured group. The parameters are allocated for training and outlive it; it computes
 * where they lie. */
xr_status xr_optimizer_new(xr_optimizer **optimizer, const xr_config *config, xr_parameters *parameters);
void xr_optimizer_free(xr_optimizer *optimizer);

/* What an executor runs after backward: one update, clipped by optimizer.clip_norm. */
const xr_step_tail *xr_optimizer_tail(const xr_optimizer *optimizer);

/* For the next step; `step` counts updates from 1. */
void xr_optimizer_set(xr_optimizer *optimizer, double learning_rate, int64_t step);

typedef struct {
  float gradient_norm;   /* before clipping; NaN when a gradient is not finite */
  int32_t bad_parameter; /* index, state left out, of the first parameter whose gradient is not finite; -1: none */
} xr_update;
/* Of the last step, after xr_executor_wait(). A gradient or a loss that was not finite left everything as it was. */
xr_update xr_optimizer_update(const xr_optimizer *optimizer);
