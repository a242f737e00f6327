#include "host/train/run_report.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/eval/contact_sheet.h"
#include "host/train/run_metrics.h"

enum { MAX_SERIES = 6 };

/* One curve a key over the lines of a kind. */
static xr_status make_chart(xr_arena *arena, const json_t *lines, const char *kind, const char *split, int keys, const char *const *key,
                            xr_report_chart *chart) {
  const size_t rows = json_array_size(lines);
  xr_report_series *series = XR_NEW_ARRAY(arena, xr_report_series, keys);
  if (!series) return XR_NO_MEMORY;
  for (int k = 0; k < keys; k++) {
    double *x = XR_NEW_ARRAY(arena, double, rows + 1), *y = XR_NEW_ARRAY(arena, double, rows + 1);
    size_t count = 0, i;
    json_t *line;
    if (!x || !y) return XR_NO_MEMORY;
    json_array_foreach(lines, i, line) {
      if (!xr_metrics_is(line, kind, split)) continue;
      x[count] = xr_metrics_number(line, "step");
      y[count++] = xr_metrics_number(line, key[k]);
    }
    series[k] = (xr_report_series){.name = key[k], .x = x, .y = y, .count = count};
  }
  chart->series = series;
  chart->count = (size_t)keys;
  return XR_OK;
}

static xr_status make_charts(xr_arena *arena, const xr_run_folder *run, const xr_task *task, xr_report_chart charts[2]) {
  static const char *const figures[] = {"R1", "mAP", "mINP"};
  const char *losses[MAX_SERIES] = {"loss", "sdm", "id"};
  json_t *lines;
  XR_TRY(xr_json_lines_read(run->metrics_path, &lines));
  charts[0] = (xr_report_chart){.title = "Training loss", .x_label = "step"};
  charts[1] = (xr_report_chart){.title = strcmp(task->config->eval.split, "test") == 0 ? "Test split" : "Validation split",
                                .x_label = "step"};
  xr_status status = make_chart(arena, lines, "step", NULL, 3, losses, &charts[0]);
  if (status == XR_OK) status = make_chart(arena, lines, "evaluation", task->config->eval.split, 3, figures, &charts[1]);
  json_decref(lines);
  return status;
}

static xr_status make_examples(xr_arena *arena, const xr_task *task, const xr_evaluation *ranking, size_t count,
                               xr_ranked_example *examples) {
  const xr_split *split = &task->dataset->splits[XR_SPLIT_TEST];
  for (size_t i = 0; i < count; i++) {
    const size_t q = i * split->caption_count / count;
    xr_ranked_image *ranked = XR_NEW_ARRAY(arena, xr_ranked_image, ranking->top_k);
    size_t found = 0;
    if (!ranked) return XR_NO_MEMORY;
    for (int64_t k = 0; k < ranking->top_k && ranking->top_index[(int64_t)q * ranking->top_k + k] >= 0; k++) {
      const xr_image_record *image = &split->images[ranking->top_index[(int64_t)q * ranking->top_k + k]];
      ranked[found++] = (xr_ranked_image){
          .path = image->path, .mark = image->pid == split->captions[q].pid ? XR_MARK_RIGHT : XR_MARK_WRONG, .score = NAN};
    }
    examples[i] = (xr_ranked_example){.caption = split->captions[q].text, .ranked = ranked, .count = found};
  }
  return XR_OK;
}

static xr_status write_all(xr_arena *arena, const xr_run_folder *run, const xr_task *task, const xr_evaluation *ranking,
                           const xr_report_result *rows, int row_count) {
  const xr_config *c = task->config;
  const xr_split *test = &task->dataset->splits[XR_SPLIT_TEST];
  const size_t wanted = (size_t)c->eval.examples, examples_count = wanted < test->caption_count ? wanted : test->caption_count;
  xr_ranked_example *examples = XR_NEW_ARRAY(arena, xr_ranked_example, examples_count + 1);
  xr_report_chart charts[2];
  char path[XR_PATH_MAX];
  if (!examples) return XR_NO_MEMORY;
  XR_TRY(make_charts(arena, run, task, charts));
  XR_TRY(make_examples(arena, task, ranking, examples_count, examples));
  const xr_report_fact facts[] = {
      {"method", task->method->name},
      {"data set", xr_arena_format(arena, "%s in %s", c->data.dataset, c->data.root)},
      {"training", xr_arena_format(arena, "%d identities, %zu captions", task->dataset->identities,
                                   task->dataset->splits[XR_SPLIT_TRAIN].caption_count)},
      {"test", xr_arena_format(arena, "%lld captions, %lld images", (long long)ranking->queries, (long long)ranking->gallery)},
      {"images", xr_arena_format(arena, "%lld x %lld pixels", (long long)c->image.height, (long long)c->image.width)},
      {"batch", xr_arena_format(arena, "%lld", (long long)c->sampler.batch)},
      {"optimiser", xr_arena_format(arena, "learning rate %g, %lld epochs", c->optimizer.lr, (long long)c->train.epochs)},
      {"seed", xr_arena_format(arena, "%lld", (long long)c->train.seed)},
  };
  xr_report report = {.title = *c->name ? c->name : task->method->name,
                      .subtitle = *c->paper.note ? c->paper.note : NULL,
                      .facts = facts,
                      .fact_count = sizeof facts / sizeof *facts,
                      .results = rows,
                      .result_count = (size_t)row_count,
                      .results_note = xr_arena_format(
                          arena,
                          "Test split, text-to-image. R-k over all captions, mAP and mINP over captions with a right image; ties: %s.",
                          c->eval.ties),
                      .charts = charts,
                      .chart_count = 2,
                      .examples = examples,
                      .example_count = examples_count};
  XR_TRY(xr_run_folder_path(run, "report.html", path));
  XR_TRY(xr_report_write(path, &report));
  if (!examples_count) return XR_OK;
  XR_TRY(xr_run_folder_path(run, "ranking.png", path));
  return xr_contact_sheet_write(path, examples, examples_count);
}

xr_status xr_run_report_write(const xr_run_folder *run, const xr_task *task, const xr_evaluation *ranking, const xr_report_result *rows,
                              int row_count) {
  xr_arena *arena = xr_arena_new();
  xr_status status = arena ? write_all(arena, run, task, ranking, rows, row_count) : XR_NO_MEMORY;
  xr_arena_free(arena);
  return status;
}
