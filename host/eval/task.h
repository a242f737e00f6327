/* What a configuration is about, opened: its method, data set and vocabulary. Shared by training, evaluation and planning. */
#pragma once

#include "host/data/dataset.h"
#include "host/data/tokenizer.h"
#include "host/io/config.h"
#include "models/method.h"

typedef struct {
  const xr_config *config;
  const xr_method *method;
  xr_dataset *dataset;     /* NULL after the other two functions */
  xr_tokenizer *tokenizer; /* NULL after xr_task_describe() */
  xr_model_context context;
} xr_task;

/* Opens the data set (these splits: bits 1u << XR_SPLIT_..) and the vocabulary. The configuration outlives the task. */
xr_status xr_task_open(xr_task *task, const xr_config *config, unsigned splits);

/* Without a data set: for features of pictures and captions from anywhere. The vocabulary is opened when `captions` is set. */
xr_status xr_task_open_encoder(xr_task *task, const xr_config *config, bool captions);

/* The shapes alone, without any data: classes and vocabulary from the configuration, from files that happen to be there, or from the
 * official counts of the data set and CLIP's vocabulary. */
xr_status xr_task_describe(xr_task *task, const xr_config *config);

void xr_task_close(xr_task *task);
