/* What a configuration is about, opened: its method, data set and vocabulary. Shared by training, evaluation and planning. */
#pragma once

#include "host/data/dataset.h"
#include "host/data/tokenizer.h"
#include "host/io/config.h"
#include "models/method.h"

typedef struct {
  const xr_config *config;
  const xr_method *method;
  xr_dataset *dataset;     /* NULL after xr_task_describe() */
  xr_tokenizer *tokenizer; /* likewise */
  xr_model_context context;
} xr_task;

/* Opens the data set (these splits: bits 1u << XR_SPLIT_..) and the vocabulary. The configuration outlives the task. */
xr_status xr_task_open(xr_task *task, const xr_config *config, unsigned splits);

/* The shapes alone, without any data: classes and vocabulary from the configuration, from files that happen to be there, or from the
 * official counts of the data set and CLIP's vocabulary. */
xr_status xr_task_describe(xr_task *task, const xr_config *config);

void xr_task_close(xr_task *task);
