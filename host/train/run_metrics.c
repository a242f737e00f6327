#include "host/train/run_metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const backend_names[] = {[XR_CPU] = "cpu", [XR_CUDA] = "cuda"};

/* ---- writing */
static void add_evaluation(xr_json_lines *m, const char *kind, int64_t step, int64_t epoch, const char *split,
                           const xr_report_result *row) {
  double figures[XR_FIGURES];
  xr_figures_of(row, figures);
  xr_json_begin(m);
  xr_json_text(m, "kind", kind);
  xr_json_integer(m, "step", step);
  xr_json_integer(m, "epoch", epoch);
  xr_json_text(m, "split", split);
  for (int i = 0; i < XR_FIGURES; i++) xr_json_number(m, xr_figure_keys[i], figures[i]);
}

xr_status xr_metrics_log_evaluation(xr_json_lines *m, int64_t step, int64_t epoch, double seconds, const char *split,
                                    const xr_report_result *row) {
  add_evaluation(m, "evaluation", step, epoch, split, row);
  xr_json_number(m, "seconds", seconds);
  return xr_json_end(m);
}

xr_status xr_metrics_log_result(xr_json_lines *m, const xr_run_result *r) {
  add_evaluation(m, "result", r->step, r->epoch, "test", &r->best);
  xr_json_number(m, "seconds", r->seconds);
  xr_json_integer(m, "best_step", r->best_step);
  xr_json_integer(m, "queries", r->queries);
  xr_json_integer(m, "gallery", r->gallery);
  xr_json_integer(m, "ties_at_positives", r->ties_at_positives);
  xr_json_text(m, "backend", backend_names[r->backend]);
  xr_json_text(m, "device", r->device);
  return xr_json_end(m);
}

/* ---- reading */
double xr_metrics_number(const json_t *line, const char *key) {
  const json_t *value = json_object_get(line, key);
  return json_is_number(value) ? json_number_value(value) : NAN;
}

bool xr_metrics_is(const json_t *line, const char *kind, const char *split) {
  const char *k = json_string_value(json_object_get(line, "kind")), *s = json_string_value(json_object_get(line, "split"));
  return k && strcmp(k, kind) == 0 && (!split || (s && strcmp(s, split) == 0));
}

static int64_t integer(const json_t *line, const char *key) { return (int64_t)json_integer_value(json_object_get(line, key)); }

static xr_report_result row_of(const json_t *line) {
  double figures[XR_FIGURES];
  for (int i = 0; i < XR_FIGURES; i++) figures[i] = xr_metrics_number(line, xr_figure_keys[i]);
  return xr_report_row(NULL, figures);
}

static xr_status find_evaluation(const char *path, const json_t *lines, int64_t step, const char *split, xr_report_result *row) {
  for (size_t i = json_array_size(lines); i-- > 0;) {
    const json_t *line = json_array_get(lines, i);
    if (!xr_metrics_is(line, "evaluation", split) || integer(line, "step") != step) continue;
    *row = row_of(line);
    return XR_OK;
  }
  return xr_fail(XR_NOT_FOUND, "%s: no evaluation of %s at step %lld", path, split, (long long)step);
}

xr_status xr_metrics_read_evaluation(const char *path, int64_t step, const char *split, xr_report_result *row) {
  json_t *lines;
  XR_TRY(xr_json_lines_read(path, &lines));
  xr_status status = find_evaluation(path, lines, step, split, row);
  json_decref(lines);
  return status;
}

static xr_status find_result(const char *path, const json_t *lines, xr_run_result *result) {
  const size_t count = json_array_size(lines);
  const json_t *end = count ? json_array_get(lines, count - 1) : NULL;
  if (!end || !xr_metrics_is(end, "result", "test")) return xr_fail(XR_NOT_FOUND, "%s: the run is not finished", path);
  const char *backend = json_string_value(json_object_get(end, "backend")), *device = json_string_value(json_object_get(end, "device"));
  *result = (xr_run_result){.step = integer(end, "step"),
                            .epoch = integer(end, "epoch"),
                            .best_step = integer(end, "best_step"),
                            .queries = integer(end, "queries"),
                            .gallery = integer(end, "gallery"),
                            .ties_at_positives = integer(end, "ties_at_positives"),
                            .seconds = xr_metrics_number(end, "seconds"),
                            .backend = backend && strcmp(backend, backend_names[XR_CUDA]) == 0 ? XR_CUDA : XR_CPU,
                            .best = row_of(end)};
  snprintf(result->device, sizeof result->device, "%s", device ? device : "unknown");
  return find_evaluation(path, lines, result->step, "test", &result->last);
}

xr_status xr_metrics_read_result(const char *path, xr_run_result *result) {
  json_t *lines;
  XR_TRY(xr_json_lines_read(path, &lines));
  xr_status status = find_result(path, lines, result);
  json_decref(lines);
  return status;
}

xr_status xr_metrics_read_seconds(const char *path, double *seconds) {
  json_t *lines, *line;
  size_t i;
  *seconds = 0;
  XR_TRY(xr_json_lines_read(path, &lines));
  json_array_foreach(lines, i, line) {
    const double then = xr_metrics_number(line, "seconds");
    if (then > *seconds) *seconds = then;
  }
  json_decref(lines);
  return XR_OK;
}
