#include "host/train/reproduce_report.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/text.h"
#include "host/eval/published.h"

static const char *const unknown = "\xe2\x80\x93";

/* ---- cells */
/* Text of a table: a bar would end the cell, a line break the row. */
static void put_text(FILE *out, const char *text) {
  for (const char *c = text; *c; c++) {
    if (*c == '|') putc('\\', out);
    putc(*c == '\n' ? ' ' : *c, out);
  }
}

static void put_percent(FILE *out, double fraction) { isfinite(fraction) ? fprintf(out, "%.2f", 100 * fraction) : fputs(unknown, out); }

static void put_figures(FILE *out, const xr_report_result *row) {
  double figures[XR_FIGURES];
  xr_figures_of(row, figures);
  for (int i = 0; i < XR_FIGURES; i++) {
    fputs(" | ", out);
    put_percent(out, figures[i]);
  }
}

static void put_seconds(FILE *out, double seconds) {
  const long long s = isfinite(seconds) ? llround(seconds) : 0;
  fprintf(out, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

static void put_header(FILE *out, const char *first, const char *second) {
  fprintf(out, "| %s | %s | R-1 | R-5 | R-10 | mAP | mINP |\n|---|---|---:|---:|---:|---:|---:|\n", first, second);
}

/* ---- the table */
/* "2 of 3; seed 3 failed: ..": what others say already is not repeated. */
static void put_runs(FILE *out, const xr_reproduction *r, const xr_reproduced_variant *v, size_t finished) {
  const char *said = "";
  fprintf(out, "%zu", finished);
  if (finished < (size_t)r->seeds) fprintf(out, " of %lld", (long long)r->seeds);
  for (int64_t s = 0; s < r->seeds; s++) {
    if (v->runs[s].state != XR_RUN_FAILED) continue;
    const bool again = strcmp(said, v->runs[s].message) == 0;
    fprintf(out, "; seed %lld %s", (long long)v->runs[s].seed, again ? "likewise" : "failed: ");
    if (!again) put_text(out, v->runs[s].message);
    said = v->runs[s].message;
  }
}

static const char *weights_text(const xr_reproduction *r, bool last) {
  if (last) return "last epoch";
  return strcmp(r->config->eval.split, "test") == 0 ? "best on test" : "best on val";
}

static void put_variants(FILE *out, const xr_reproduction *r, bool last) {
  const xr_spread first = xr_reproduction_spread(r, r->variants, last);
  for (size_t i = 0; i < r->variant_count; i++) {
    const xr_reproduced_variant *v = &r->variants[i];
    const xr_spread s = xr_reproduction_spread(r, v, last);
    fputs("| **", out);
    put_text(out, v->name);
    fprintf(out, "**, %s | ", weights_text(r, last));
    put_runs(out, r, v, s.count);
    for (int f = 0; f < XR_FIGURES; f++) {
      fputs(" | ", out);
      put_percent(out, s.mean[f]);
      if (isfinite(s.deviation[f])) fprintf(out, " \xc2\xb1 %.2f", 100 * s.deviation[f]);
      if (i && isfinite(s.mean[f] - first.mean[f])) fprintf(out, " (%+.2f)", 100 * (s.mean[f] - first.mean[f]));
    }
    fputs(" |\n", out);
  }
}

static void put_published(FILE *out, const xr_config_peer *peer) {
  const char *texts[XR_FIGURES];
  double figures[XR_FIGURES];
  const xr_report_result row = xr_published_row(peer);
  xr_published_texts(peer, texts);
  xr_figures_of(&row, figures);
  fputs("| ", out);
  put_text(out, peer->name);
  fputs(" | ", out);
  for (int i = 0; i < XR_FIGURES; i++) {
    fputs(" | ", out);
    isfinite(figures[i]) ? put_percent(out, figures[i]) : put_text(out, *texts[i] ? texts[i] : unknown);
  }
  fputs(" |\n", out);
}

static void put_table(FILE *out, const xr_reproduction *r) {
  const xr_config *c = r->config;
  const xr_config_peer paper = xr_published_paper(c);
  put_header(out, "percent, test split", "runs");
  put_variants(out, r, false);
  if (!r->ablation) put_variants(out, r, true);
  put_published(out, &paper);
  for (uint32_t i = 0; i < c->paper.peers_count; i++) put_published(out, &c->paper.peers[i]);
  fputs("\nRows in bold are ours: mean \xc2\xb1 standard deviation over the runs, one run a seed", out);
  fputs(r->ablation ? "; in brackets the difference to the first row.\n" : ".\n", out);
  if (*c->paper.note) fprintf(out, "Paper: %s\n", c->paper.note);
  if (!r->ablation) return;
  fputs("\n## The weights after the last epoch\n\n", out);
  put_header(out, "percent, test split", "runs");
  put_variants(out, r, true);
}

/* ---- the protocol */
/* The first finished run stands for all: what it ran on and how much it ranked. */
static const xr_reproduced_run *an_example(const xr_reproduction *r) {
  for (size_t v = 0; v < r->variant_count; v++)
    for (int64_t s = 0; s < r->seeds; s++)
      if (r->variants[v].runs[s].state == XR_RUN_FINISHED) return &r->variants[v].runs[s];
  return NULL;
}

/* What the run's environment.json says; NULL when it cannot be read. */
static json_t *environment_of(const xr_reproduced_run *run) {
  char path[XR_PATH_MAX];
  return xr_path_join(path, run->folder, "environment.json") == XR_OK ? json_load_file(path, 0, NULL) : NULL;
}

static void put_device(FILE *out, const xr_reproduced_run *run) {
  json_t *environment = environment_of(run);
  fprintf(out, "%s, %s; CPU threads: %lld", run->result.backend == XR_CPU ? "CPU" : "CUDA", run->result.device,
          (long long)json_integer_value(json_object_get(environment, "threads")));
  json_decref(environment);
}

static double all_seconds(const xr_reproduction *r) {
  double sum = 0;
  for (size_t v = 0; v < r->variant_count; v++)
    for (int64_t s = 0; s < r->seeds; s++)
      if (r->variants[v].runs[s].state == XR_RUN_FINISHED) sum += r->variants[v].runs[s].result.seconds;
  return sum;
}

static void put_selection(FILE *out, const xr_config *c) {
  fprintf(out, "- Checkpoint: the highest R-1 on %s, measured after ", c->eval.split);
  if (c->eval.every == 1)
    fputs("every epoch.", out);
  else if (c->eval.every)
    fprintf(out, "every %lld epochs and after the last one.", (long long)c->eval.every);
  else
    fputs("the last epoch alone.", out);
  fputs(strcmp(c->eval.split, "test") == 0 ? " Chosen on the split that is reported: optimistic.\n" : "\n", out);
}

static void put_overrides(FILE *out, const xr_reproduction *r) {
  fputs("- Rows:\n", out);
  for (size_t i = 0; i < r->variant_count; i++) {
    fprintf(out, "  - %s:", r->variants[i].name);
    for (size_t k = 0; k < r->variants[i].set_count; k++) fprintf(out, " `%s`", r->variants[i].set[k]);
    fputs(r->variants[i].set_count ? "\n" : " as configured\n", out);
  }
}

static void put_protocol(FILE *out, const xr_reproduction *r) {
  const xr_config *c = r->config;
  const xr_reproduced_run *run = an_example(r);
  char queries[XR_GROUPED_TEXT], gallery[XR_GROUPED_TEXT], ties[XR_GROUPED_TEXT];
  fputs("\n## Protocol\n\n", out);
  fprintf(out, "- Data: %s in %s, test split", c->data.dataset, c->data.root);
  if (run) fprintf(out, ": %s captions x %s images", xr_grouped(queries, run->result.queries), xr_grouped(gallery, run->result.gallery));
  fputs(".\n- Text to image, by the score of the method. R-k over all captions; mAP and mINP over captions with a right image.\n", out);
  fprintf(out, "- Equal scores: %s", c->eval.ties);
  if (run) fprintf(out, "; %s right images tie with a wrong one", xr_grouped(ties, run->result.ties_at_positives));
  fputs(".\n", out);
  put_selection(out, c);
  fprintf(out, "- Training: %lld epochs", (long long)c->train.epochs);
  if (c->train.max_steps) fprintf(out, ", at most %lld steps", (long long)c->train.max_steps);
  fprintf(out, "; seeds %lld to %lld; precision %s", (long long)c->train.seed, (long long)(c->train.seed + r->seeds - 1),
          c->model.precision == XR_CONFIG_BF16 ? "bf16" : "f32");
  fprintf(out, "; xreid %s.\n", XREID_VERSION);
  if (r->ablation) put_overrides(out, r);
  if (!run) return;
  fputs("- Device: ", out);
  put_device(out, run);
  fputs(". Wall time of all finished runs: ", out);
  put_seconds(out, all_seconds(r));
  fputs(".\n", out);
}

/* ---- every run */
static void put_run(FILE *out, const xr_reproduction *r, const xr_reproduced_variant *v, const xr_reproduced_run *run) {
  for (int last = 0; last < 2; last++) {
    fputs("| ", out);
    put_text(out, v->name);
    fprintf(out, ", %s | %lld", weights_text(r, last), (long long)run->seed);
    put_figures(out, last ? &run->result.last : &run->result.best);
    fprintf(out, " | %lld | ", (long long)(last ? run->result.step : run->result.best_step));
    put_seconds(out, run->result.seconds);
    fputs(" |\n", out);
  }
}

static void put_all_runs(FILE *out, const xr_reproduction *r) {
  fputs("\n## Every run\n\n| percent, test split | seed | R-1 | R-5 | R-10 | mAP | mINP | step | wall time |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        out);
  for (size_t v = 0; v < r->variant_count; v++)
    for (int64_t s = 0; s < r->seeds; s++)
      if (r->variants[v].runs[s].state == XR_RUN_FINISHED) put_run(out, r, &r->variants[v], &r->variants[v].runs[s]);
}

xr_status xr_reproduction_markdown(const xr_reproduction *r, char **text) {
  size_t size = 0;
  *text = NULL;
  FILE *out = open_memstream(text, &size);
  if (!out) return xr_fail(XR_NO_MEMORY, "out of memory");
  fprintf(out, "# %s%s\n\n", *r->config->name ? r->config->name : "run", r->ablation ? ": ablation" : "");
  put_table(out, r);
  put_protocol(out, r);
  put_all_runs(out, r);
  const bool failed = ferror(out);
  if (!fclose(out) && !failed) return XR_OK;
  free(*text);
  *text = NULL;
  return xr_fail(XR_NO_MEMORY, "out of memory for the table");
}

/* ---- JSON */
static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *figures_json(const double figures[XR_FIGURES]) {
  json_t *object = json_object();
  for (int i = 0; i < XR_FIGURES; i++) json_object_set_new(object, xr_figure_keys[i], number(figures[i]));
  return object;
}

static json_t *row_json(const xr_report_result *row) {
  double figures[XR_FIGURES];
  xr_figures_of(row, figures);
  return figures_json(figures);
}

static json_t *spread_json(const xr_reproduction *r, const xr_reproduced_variant *v, bool last) {
  const xr_spread first = xr_reproduction_spread(r, r->variants, last), s = xr_reproduction_spread(r, v, last);
  double difference[XR_FIGURES];
  for (int i = 0; i < XR_FIGURES; i++) difference[i] = s.mean[i] - first.mean[i];
  return json_pack("{s:I, s:o, s:o, s:o}", "count", (json_int_t)s.count, "mean", figures_json(s.mean), "deviation",
                   figures_json(s.deviation), "difference", figures_json(difference));
}

static json_t *run_json(const xr_reproduced_run *run) {
  static const char *const states[] = {[XR_RUN_MISSING] = "missing", [XR_RUN_FINISHED] = "finished", [XR_RUN_FAILED] = "failed"};
  const xr_run_result *e = &run->result;
  json_t *object = json_pack("{s:I, s:s, s:s}", "seed", (json_int_t)run->seed, "state", states[run->state], "folder", run->folder);
  if (run->state == XR_RUN_FAILED) json_object_set_new(object, "message", json_string(run->message));
  if (run->state != XR_RUN_FINISHED) return object;
  json_t *rest = json_pack("{s:I, s:I, s:I, s:o, s:s, s:s, s:o, s:o}", "steps", (json_int_t)e->step, "epochs", (json_int_t)e->epoch,
                           "best_step", (json_int_t)e->best_step, "seconds", number(e->seconds), "backend",
                           e->backend == XR_CPU ? "cpu" : "cuda", "device", e->device, "best", row_json(&e->best), "last",
                           row_json(&e->last));
  json_object_update(object, rest);
  json_decref(rest);
  return object;
}

/* Without memory, or with text that is not UTF-8, these are NULL, and so is what should hold them. */
static json_t *variant_json(const xr_reproduction *r, const xr_reproduced_variant *v) {
  json_t *set = json_array(), *runs = json_array();
  int failed = 0;
  for (size_t i = 0; i < v->set_count; i++) failed |= json_array_append_new(set, json_string(v->set[i]));
  for (int64_t s = 0; s < r->seeds; s++) failed |= json_array_append_new(runs, run_json(&v->runs[s]));
  json_t *object = json_pack("{s:s, s:o, s:o, s:o, s:o}", "name", v->name, "set", set, "best", spread_json(r, v, false), "last",
                             spread_json(r, v, true), "runs", runs);
  if (!failed) return object;
  json_decref(object);
  return NULL;
}

static json_t *protocol_json(const xr_reproduction *r) {
  const xr_config *c = r->config;
  const xr_reproduced_run *run = an_example(r);
  json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s}", "dataset", c->data.dataset, "root", c->data.root,
                             "split", "test", "ties", c->eval.ties, "selected_on", c->eval.split, "evaluated_every",
                             (json_int_t)c->eval.every, "epochs", (json_int_t)c->train.epochs, "max_steps", (json_int_t)c->train.max_steps,
                             "seeds", (json_int_t)r->seeds, "precision", c->model.precision == XR_CONFIG_BF16 ? "bf16" : "f32");
  if (!run) return object;
  json_t *counts = json_pack("{s:I, s:I, s:I, s:o?, s:f}", "queries", (json_int_t)run->result.queries, "gallery",
                             (json_int_t)run->result.gallery, "ties_at_positives", (json_int_t)run->result.ties_at_positives, "environment",
                             environment_of(run), "seconds", all_seconds(r));
  json_object_update(object, counts);
  json_decref(counts);
  return object;
}

static json_t *peers_json(const xr_config *c) {
  json_t *list = json_array();
  for (uint32_t i = 0; i < c->paper.peers_count; i++) {
    const xr_report_result row = xr_published_row(&c->paper.peers[i]);
    json_t *object = row_json(&row);
    json_object_set_new(object, "name", json_string(row.name));
    json_array_append_new(list, object);
  }
  return list;
}

xr_status xr_reproduction_json(const xr_reproduction *r, char **text) {
  const xr_config_peer authors = xr_published_paper(r->config);
  const xr_report_result paper = xr_published_row(&authors);
  json_t *variants = json_array();
  int failed = 0;
  for (size_t v = 0; v < r->variant_count; v++) failed |= json_array_append_new(variants, variant_json(r, &r->variants[v]));
  json_t *all = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "name", r->config->name, "xreid", XREID_VERSION, "protocol", protocol_json(r),
                          "variants", variants, "paper", row_json(&paper), "peers", peers_json(r->config));
  *text = all && !failed ? json_dumps(all, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
  json_decref(all);
  return *text ? XR_OK : xr_fail(XR_NO_MEMORY, "the results cannot be written as JSON: out of memory, or a name that is not UTF-8");
}
