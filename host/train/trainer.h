/* Training: a run in a run folder.
 *
 *   config.yaml       the resolved configuration          log.txt            every message
 *   metrics.jsonl     what was measured (run_metrics.h)   environment.json   versions, machine, threads
 *   checkpoints/      step-*.safetensors, best.safetensors
 *   report.html       curves, final table, ranked examples        ranking.png  the ranked examples as a picture
 *
 * A run is a pure function of its configuration and data: stopped or killed at any step, it resumes to the same bits. */
#pragma once

#include <signal.h>
#include <stdio.h>

#include "host/eval/report.h"
#include "host/eval/task.h"

typedef struct {
  const char *folder;                /* the run folder, made when it is not there */
  bool resume;                       /* go on from the newest checkpoint; without one, start */
  xr_backend backend;                /* where to compute */
  bool poison, no_graph;             /* executor.h */
  const volatile sig_atomic_t *stop; /* becomes non-zero when a signal asks for an orderly stop; NULL: never */
} xr_train_options;

enum { XR_MAX_RESULT_ROWS = 8 };

typedef struct {
  bool stopped; /* by a signal: the run can be resumed */
  int64_t step;
  int rows;
  xr_report_result row[XR_MAX_RESULT_ROWS]; /* the final table; names live as long as the configuration */
} xr_train_result;

/* Trains as configured, or goes on. XR_NOT_FINITE after train.nonfinite_limit steps in a row without a finite gradient, naming the first
 * bad tensor. */
xr_status xr_train(const xr_config *config, const xr_train_options *options, xr_train_result *result);

/* The final table in percent. */
void xr_print_results(const xr_report_result *rows, int count, FILE *out);
