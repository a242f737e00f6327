/* A model on its way through training: parameters, the training graph with its plan and executor, the encoder, the optimiser. */
#pragma once

#include "host/data/loader.h"
#include "host/eval/encoder.h"
#include "host/train/optimizer.h"

typedef struct {
  xr_backend backend;
  bool poison, no_graph; /* executor.h */
} xr_model_options;

typedef struct {
  const xr_task *task;
  xr_model_options options;
  xr_parameters *parameters;
  xr_graph *graph;
  xr_training_graph inputs;
  xr_plan *plan;
  xr_encoder *encoder;
  /* after xr_model_allocate() */
  void *arena; /* shared by training and encoding, which take turns */
  xr_executor *executor;
  xr_optimizer *optimizer;
} xr_model;

/* Records and plans everything; allocates nothing large. */
xr_status xr_model_new(xr_model *model, const xr_task *task, xr_model_options options);
/* Allocates parameters and the arena on the backend, draws initial weights. */
xr_status xr_model_allocate(xr_model *model);
void xr_model_free(xr_model *model);

/* Bytes at the fullest moment of training or evaluation: parameters, their companions and the shared arena. */
size_t xr_model_bytes(const xr_model *model);

/* Copies a batch into the inputs of a training graph and starts their way to the device. */
xr_status xr_feed_training(const xr_graph *graph, const xr_training_graph *inputs, xr_executor *executor, const xr_batch *batch);

/* The value of a loss after a step and xr_executor_wait(). */
float xr_model_loss(const xr_model *model, xr_var loss);
