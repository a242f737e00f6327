/* The lines of metrics.jsonl that others read: what is written comes back, and a run counts as finished by its last line alone. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "host/train/run_metrics.h"

static char path[64];

static void name_file(void) { snprintf(path, sizeof path, "/tmp/xreid-metrics-%d.jsonl", (int)getpid()); }
static void remove_file(void) { unlink(path); }
TestSuite(run_metrics, .init = name_file, .fini = remove_file);

static const xr_report_result val = {.rank1 = .25, .rank5 = .5, .rank10 = .75, .mAP = .3, .mINP = .2};
static const xr_report_result last = {.rank1 = 1.0 / 3, .rank5 = .5, .rank10 = NAN, .mAP = .4, .mINP = .1};
static const xr_run_result end = {.step = 20,
                                  .epoch = 2,
                                  .best_step = 10,
                                  .queries = 26,
                                  .gallery = 7,
                                  .ties_at_positives = 3,
                                  .seconds = 12.5,
                                  .backend = XR_CUDA,
                                  .device = "A device",
                                  .best = {.rank1 = .125, .rank5 = .875, .rank10 = NAN, .mAP = .6, .mINP = 2.0 / 3}};

static void write_run(bool finished) {
  xr_json_lines *m;
  cr_assert_eq(xr_json_lines_open(&m, path), XR_OK);
  cr_assert_eq(xr_metrics_log_evaluation(m, 10, 1, 4, "val", &val), XR_OK);
  cr_assert_eq(xr_metrics_log_evaluation(m, 20, 2, 8, "val", &val), XR_OK);
  cr_assert_eq(xr_metrics_log_evaluation(m, 20, 2, 9, "test", &last), XR_OK);
  if (finished) cr_assert_eq(xr_metrics_log_result(m, &end), XR_OK);
  cr_assert_eq(xr_json_lines_close(m), XR_OK);
}

static void expect_row(const xr_report_result *got, const xr_report_result *expected) {
  double a[XR_FIGURES], b[XR_FIGURES];
  xr_figures_of(got, a);
  xr_figures_of(expected, b);
  for (int i = 0; i < XR_FIGURES; i++) cr_expect(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])), "%s: %g", xr_figure_keys[i], a[i]);
}

Test(run_metrics, a_finished_run) {
  xr_run_result got;
  double seconds;
  write_run(true);
  cr_assert_eq(xr_metrics_read_result(path, &got), XR_OK);
  expect_row(&got.best, &end.best);
  expect_row(&got.last, &last);
  cr_expect(got.step == 20 && got.epoch == 2 && got.best_step == 10 && got.queries == 26 && got.gallery == 7);
  cr_expect(got.ties_at_positives == 3 && got.seconds == 12.5 && got.backend == XR_CUDA);
  cr_expect_str_eq(got.device, "A device");
  cr_assert_eq(xr_metrics_read_seconds(path, &seconds), XR_OK);
  cr_expect_eq(seconds, 12.5);
}

Test(run_metrics, a_run_that_goes_on_after_its_end_is_not_finished) {
  xr_run_result got;
  xr_json_lines *m;
  write_run(true);
  cr_assert_eq(xr_json_lines_open(&m, path), XR_OK);
  cr_assert_eq(xr_metrics_log_evaluation(m, 30, 3, 20, "val", &val), XR_OK);
  cr_assert_eq(xr_json_lines_close(m), XR_OK);
  cr_expect_eq(xr_metrics_read_result(path, &got), XR_NOT_FOUND);
}

Test(run_metrics, an_unfinished_run) {
  xr_run_result got;
  xr_report_result row;
  double seconds;
  cr_expect_eq(xr_metrics_read_result(path, &got), XR_NOT_FOUND, "there is no file");
  cr_assert_eq(xr_metrics_read_seconds(path, &seconds), XR_OK);
  cr_expect_eq(seconds, 0);
  write_run(false);
  cr_expect_eq(xr_metrics_read_result(path, &got), XR_NOT_FOUND);
  cr_assert_eq(xr_metrics_read_evaluation(path, 10, "val", &row), XR_OK);
  expect_row(&row, &val);
  cr_expect_eq(xr_metrics_read_evaluation(path, 10, "test", &row), XR_NOT_FOUND);
  cr_assert_eq(xr_metrics_read_seconds(path, &seconds), XR_OK);
  cr_expect_eq(seconds, 9);
}
