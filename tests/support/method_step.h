/* A training step of a text-to-image method at its smallest: the graph, plan and executor of a configuration, fed with random pictures and
 * captions of known lengths. Failures end the test. */
#pragma once

#include "host/eval/task.h"
#include "host/train/model.h"

enum { BATCH = 6, CLASSES = 5, VOCABULARY = 600, CONTEXT = 9 };

typedef struct {
  xr_config *config;
  xr_parameters *parameters;
  xr_graph *graph;
  xr_training_graph model;
  xr_plan *plan;
  xr_executor *executor;
  int shortest; /* tokens of the first caption, start and end included; each of the next ones has one more */
} fixture;

/* `tiny` [tiny_count], then `more` up to its first NULL, at most [more_count]. */
xr_config *method_config(const char *const *tiny, size_t tiny_count, const char *const *more, size_t more_count);
/* Takes the configuration. */
fixture method_step_new(xr_config *config, xr_backend backend, int shortest);
void method_step_free(fixture *f);
/* Writes the inputs that the method has. */
void method_step_feed(const fixture *f, const int32_t identity[BATCH], const int32_t image[BATCH]);
