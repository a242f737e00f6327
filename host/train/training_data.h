/* The sampler and the loader of a training run. */
#pragma once

#include "host/data/loader.h"
#include "host/eval/task.h"

typedef struct {
  xr_sampler *sampler;
  xr_loader *loader;
} xr_training_data;

/* As configured; the task has its data set open and outlives it. */
xr_status xr_training_data_open(xr_training_data *data, const xr_task *task);
void xr_training_data_close(xr_training_data *data);
