/* What a run's metrics.jsonl says.
 *
 *   {"kind":"step", "step", "epoch", "loss", .., "seconds"}
 *   {"kind":"evaluation", "step", "epoch", "split", "R1", "R5", "R10", "mAP", "mINP", "seconds"}    of the weights after `step`
 *   {"kind":"result", .. as an evaluation of the test split by the best weights .., "best_step", "queries", "gallery", "ties_at_positives",
 *    "backend", "device"}    the last line of a finished run
 *
 * Figures are fractions; those that a small gallery lacks are null. "seconds": wall time until then of all parts of the run. */
#pragma once

#include "host/eval/evaluate.h"
#include "host/eval/report.h"
#include "host/graph/op.h"
#include "host/io/json_lines.h"

typedef struct {
  int64_t step, epoch; /* of the last weights */
  int64_t best_step;   /* when the best weights were chosen */
  int64_t queries, gallery, ties_at_positives;
  double seconds;
  xr_backend backend;
  char device[128];            /* its name */
  xr_report_result last, best; /* on the test split, without names */
} xr_run_result;

/* `result`'s last figures are not written: they are the evaluation of that step. */
xr_status xr_metrics_log_evaluation(xr_json_lines *metrics, int64_t step, int64_t epoch, double seconds, const char *split,
                                    const xr_report_result *row);
xr_status xr_metrics_log_result(xr_json_lines *metrics, const xr_run_result *result);

/* XR_NOT_FOUND: the run is not there or not finished. */
xr_status xr_metrics_read_result(const char *path, xr_run_result *result);

/* The evaluation logged at this step for this split ("test"); XR_NOT_FOUND when there is none. */
xr_status xr_metrics_read_evaluation(const char *path, int64_t step, const char *split, xr_report_result *row);

/* Wall time up to the last line; 0 without any. */
xr_status xr_metrics_read_seconds(const char *path, double *seconds);

/* ---- one line */
/* NaN when it has no such number. */
double xr_metrics_number(const json_t *line, const char *key);
/* Is it of this kind and, unless `split` is NULL, of this split? */
bool xr_metrics_is(const json_t *line, const char *kind, const char *split);
