#include "host/train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/data/synth.h"
#include "host/eval/published.h"
#include "host/graph/device.h"
#include "host/train/checkpoint.h"
#include "host/train/model.h"
#include "host/train/peak.h"
#include "host/train/run_folder.h"
#include "host/train/run_metrics.h"
#include "host/train/run_report.h"
#include "host/train/schedule.h"
#include "host/train/training_data.h"
#include "models/weights.h"

typedef struct {
  const xr_config *config;
  const xr_train_options *options;
  xr_train_result *result;
  xr_task task;
  xr_model model;
  xr_run_folder run;
  xr_training_data data;
  xr_split_id selection;
  xr_progress_state at;
  int64_t bad_in_a_row;
  bool warned_of_single_samples, warned_of_collapsed_sets;
  struct {     /* the step that was started last */
    bool runs; /* its results were not looked at yet */
    double lr;
    xr_seed seed;
    int64_t batch, batches;
  } started;
  xr_device_speed peak;
  double floor_seconds;              /* of a step at that speed; NaN: not known */
  double started_at, seconds_before; /* wall time of the run's earlier parts */
  double last_log_seconds, last_log_wait;
  int64_t last_log_step;
} training;

static bool stop_asked(const training *t) { return t->options->stop && *t->options->stop; }
static double seconds_so_far(const training *t) { return t->seconds_before + xr_seconds() - t->started_at; }
static bool steps_used_up(const training *t) {
  return t->config->train.max_steps && t->at.step + t->started.runs >= t->config->train.max_steps;
}

/* ---- preparation */
static xr_status check_method_options(const xr_config *c) {
  if (c->text.mask_aug != XR_CONFIG_MASK_OFF && !(c->loss.mlm.weight > 0))
    xr_warn("text.mask_aug has no effect: loss.mlm.weight is 0, so captions are not masked");
  if (!c->sampler.drop_last)
    return xr_fail(XR_UNSUPPORTED, "sampler.drop_last: a step has one shape, so an incomplete last batch is left out; set it to true");
  return XR_OK;
}

/* Weights to start from must fit before the run folder is made. */
static xr_status check_weights(const training *t) {
  xr_weights *weights;
  if (!*t->config->model.weights || t->options->resume) return XR_OK;
  XR_TRY(xr_weights_open(&weights, t->config->model.weights));
  xr_status status = xr_weights_check(weights, t->config, t->model.parameters, XR_WEIGHTS_TO_TRAIN);
  xr_weights_close(weights);
  return status;
}

/* A device that has no room for the measurement may have it for the model. */
static xr_status find_peak(training *t) {
  xr_status status = xr_run_peak(&t->run, t->config, t->options->backend, &t->peak);
  t->floor_seconds = status == XR_OK ? xr_plan_floor_seconds(t->model.plan, t->peak) : NAN;
  if (status != XR_NO_MEMORY) return status;
  xr_warn("the share of peak is not known: %s", xr_message());
  return XR_OK;
}

static xr_status prepare(training *t) {
  const xr_config *c = t->config;
  t->selection = strcmp(c->eval.split, "test") == 0 ? XR_SPLIT_TEST : XR_SPLIT_VAL;
  t->at.best = -1;
  XR_TRY(check_method_options(c));
  XR_TRY(xr_task_open(&t->task, c, 1u << XR_SPLIT_TRAIN | 1u << t->selection | 1u << XR_SPLIT_TEST));
  XR_TRY(xr_training_data_open(&t->data, &t->task));
  XR_TRY(xr_model_new(&t->model, &t->task,
                      (xr_model_options){.backend = t->options->backend, .poison = t->options->poison, .no_graph = t->options->no_graph}));
  XR_TRY(check_weights(t));
  XR_TRY(xr_run_folder_open(&t->run, t->options->folder, c, t->options->resume));
  XR_TRY(find_peak(t)); /* before the model takes the memory */
  XR_TRY(xr_model_allocate(&t->model));
  char newest[XR_PATH_MAX];
  if (t->options->resume && xr_checkpoint_newest(t->run.checkpoints, newest) == XR_OK) {
    XR_TRY(xr_checkpoint_load(newest, t->model.parameters, &t->at));
    xr_info("Going on from %s: epoch %lld, step %lld", newest, (long long)t->at.epoch, (long long)t->at.step);
  } else {
    if (t->options->resume) xr_info("%s holds no checkpoint: starting from the beginning", t->run.checkpoints);
    if (*c->model.weights) XR_TRY(xr_weights_load_file(c->model.weights, c, t->model.parameters, XR_WEIGHTS_TO_TRAIN));
  }
  XR_TRY(xr_run_folder_rewind(&t->run, t->at.step));
  return xr_metrics_read_seconds(t->run.metrics_path, &t->seconds_before);
}

static void describe(const training *t) {
  const xr_dataset *d = t->task.dataset;
  const xr_split *train = &d->splits[XR_SPLIT_TRAIN];
  xr_info("%s: %zu training images, %zu captions, %d identities", d->root, train->image_count, train->caption_count, d->identities);
  xr_info("%s: %lld parameters, %.0f MiB for training and evaluation, %s", t->task.method->name,
          (long long)xr_parameter_elements(t->model.parameters), (double)xr_model_bytes(&t->model) / 1048576.0,
          t->config->model.precision == XR_CONFIG_BF16 ? "bf16" : "f32");
  if (isnan(t->floor_seconds)) return;
  xr_info("At %.3g TFLOP/s and %.3g GB/s a step takes %.3g ms: 100 %% of peak", t->peak.flops_per_second * 1e-12,
          t->peak.bytes_per_second * 1e-9, 1e3 * t->floor_seconds);
}

/* ---- evaluation */
static xr_report_result row_of(const char *name, const xr_evaluation *e) {
  const int64_t n = e->cmc_length;
  return (xr_report_result){.name = name,
                            .rank1 = e->cmc[0],
                            .rank5 = n > 4 ? e->cmc[4] : NAN,
                            .rank10 = n > 9 ? e->cmc[9] : NAN,
                            .mAP = e->mAP,
                            .mINP = e->mINP};
}

static void add_row(training *t, xr_report_result row) {
  if (t->result->rows < XR_MAX_RESULT_ROWS) t->result->row[t->result->rows++] = row;
}

static xr_status log_evaluation(training *t, xr_split_id split, const xr_report_result *row) {
  return xr_metrics_log_evaluation(t->run.metrics, t->at.step, t->at.epoch, seconds_so_far(t), xr_split_name(split), row);
}

/* Ranks a split with the weights as they are. `keep`: the evaluation is wanted with its ranking, else NULL. */
static xr_status evaluate(training *t, xr_split_id split, const char *name, xr_report_result *row, xr_evaluation *keep) {
  xr_split_features features;
  xr_evaluation result;
  XR_TRY(xr_encode_split(t->model.encoder, split, t->model.arena, &features));
  xr_status status = xr_rank_split(&t->task, split, &features, keep ? 10 : 0, &result);
  xr_split_features_free(&features);
  XR_TRY(status);
  *row = row_of(name, &result);
  if (keep)
    *keep = result;
  else
    xr_evaluation_free(&result);
  return XR_OK;
}

static xr_status select_best(training *t) {
  xr_report_result row;
  XR_TRY(evaluate(t, t->selection, "", &row, NULL));
  XR_TRY(log_evaluation(t, t->selection, &row));
  bool better = row.rank1 > t->at.best;
  char text[XR_FIGURES][XR_PERCENT_TEXT];
  double figures[XR_FIGURES];
  xr_figures_of(&row, figures);
  for (int i = 0; i < XR_FIGURES; i++) xr_percent(text[i], figures[i]);
  xr_info("epoch %lld  %s  R-1 %s  R-5 %s  R-10 %s  mAP %s  mINP %s%s", (long long)t->at.epoch, xr_split_name(t->selection), text[0],
          text[1], text[2], text[3], text[4], better ? "  (best so far)" : "");
  if (!better) return XR_OK;
  t->at.best = row.rank1;
  t->at.best_step = t->at.step;
  return xr_checkpoint_save(t->run.best, t->config, t->model.parameters, NULL);
}

/* ---- steps */
static xr_status save_checkpoint(training *t) {
  char path[XR_PATH_MAX];
  XR_TRY(xr_checkpoint_path(path, t->run.checkpoints, t->at.step));
  XR_TRY(xr_checkpoint_save(path, t->config, t->model.parameters, &t->at));
  return xr_checkpoint_prune(t->run.checkpoints, t->config->train.keep);
}

/* The share of peak at which `steps` steps ran. One above 1 raises a measured peak, which makes it 1; said where it is much. */
static xr_status share_of_peak(training *t, int64_t steps, double seconds, double *share) {
  const double much = 1.1;
  bool raised;
  *share = (double)steps * t->floor_seconds / seconds;
  if (!(*share > 1)) return XR_OK;
  XR_TRY(xr_run_peak_raise(&t->run, t->config, t->options->backend, *share, &t->peak, &raised));
  if (!raised) return XR_OK;
  if (*share > much)
    xr_info("Steps are %.3g times as fast as the measured peak allows: 100 %% of peak are now %.3g TFLOP/s and %.3g GB/s", *share,
            t->peak.flops_per_second * 1e-12, t->peak.bytes_per_second * 1e-9);
  t->floor_seconds /= *share;
  *share = 1;
  return XR_OK;
}

static void losses_text(const training *t, char *text, size_t size) {
  size_t used = 0;
  for (int i = 0; i < t->model.inputs.losses && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "  %s %.4f", t->model.inputs.loss_name[i],
                             (double)xr_model_loss(&t->model, t->model.inputs.loss[i]));
  if (t->model.inputs.set_cosine.id && used < size)
    snprintf(text + used, size - used, "  set cosine %.3f", (double)xr_model_loss(&t->model, t->model.inputs.set_cosine));
}

static xr_status log_step(training *t, double lr, float norm, int64_t batches) {
  const double now = xr_seconds(), waited = xr_loader_waited_seconds(t->data.loader), elapsed = now - t->last_log_seconds;
  const int64_t steps = t->at.step - t->last_log_step, left_epochs = t->config->train.epochs - t->at.epoch;
  const double rate = (double)(steps * t->config->sampler.batch) / elapsed, share = (waited - t->last_log_wait) / elapsed;
  double of_peak;
  XR_TRY(share_of_peak(t, steps, elapsed, &of_peak));
  int64_t left = left_epochs * batches - t->at.batch;
  if (t->config->train.max_steps && t->config->train.max_steps - t->at.step < left) left = t->config->train.max_steps - t->at.step;
  const int64_t eta = (int64_t)((double)left * elapsed / (double)steps);
  char losses[300];
  losses_text(t, losses, sizeof losses);
  const float total = xr_model_loss(&t->model, t->model.inputs.total);
  xr_progress(true, "epoch %lld/%lld  step %lld  loss %.4f%s  lr %.2e  %.3g images/s  %.0f %% of peak  data wait %.0f %%  %lld:%02lld left",
              (long long)t->at.epoch + 1, (long long)t->config->train.epochs, (long long)t->at.step, (double)total, losses, lr, rate,
              100 * of_peak, 100 * share, (long long)(eta / 60), (long long)(eta % 60));
  xr_json_lines *m = t->run.metrics;
  xr_json_begin(m);
  xr_json_text(m, "kind", "step");
  xr_json_integer(m, "step", t->at.step);
  xr_json_integer(m, "epoch", t->at.epoch);
  xr_json_number(m, "loss", (double)total);
  for (int i = 0; i < t->model.inputs.losses; i++)
    xr_json_number(m, t->model.inputs.loss_name[i], (double)xr_model_loss(&t->model, t->model.inputs.loss[i]));
  if (t->model.inputs.set_cosine.id) xr_json_number(m, "set_cosine", (double)xr_model_loss(&t->model, t->model.inputs.set_cosine));
  xr_json_number(m, "lr", lr);
  xr_json_number(m, "gradient_norm", (double)norm);
  xr_json_number(m, "images_per_second", rate);
  xr_json_number(m, "share_of_peak", of_peak);
  xr_json_number(m, "data_wait_share", share);
  xr_json_number(m, "seconds", seconds_so_far(t));
  t->last_log_seconds = now;
  t->last_log_wait = waited;
  t->last_log_step = t->at.step;
  return xr_json_end(m);
}

/* A step whose loss or gradient is not finite changes nothing; many in a row end the run. */
static xr_status leave_step_out(training *t, xr_seed seed) {
  t->bad_in_a_row++;
  xr_status found = xr_executor_find_nonfinite(t->model.executor, seed);
  char what[600];
  snprintf(what, sizeof what, "%s", found == XR_NOT_FINITE ? xr_message() : "the gradient's sum is not finite");
  xr_warn("step %lld is left out: %s", (long long)t->at.step + 1, what);
  if (t->bad_in_a_row < t->config->train.nonfinite_limit) return XR_OK;
  return xr_fail(XR_NOT_FINITE,
                 "%lld steps in a row were not finite, the last one because of %s; a smaller optimizer.lr or optimizer.clip_norm may help",
                 (long long)t->bad_in_a_row, what);
}

/* Sets whose elements are all the same vector are one vector. Said once, after two epochs. */
static void look_at_sets(training *t) {
  const float alike = 0.98f;
  if (t->warned_of_collapsed_sets || !t->model.inputs.set_cosine.id || t->at.epoch < 2) return;
  const float cosine = xr_model_loss(&t->model, t->model.inputs.set_cosine);
  if (!(cosine > alike)) return;
  t->warned_of_collapsed_sets = true;
  xr_warn(
      "the elements of an embedding set have a cosine of %.3f: the sets have collapsed; a larger loss.uniformity.weight keeps them apart",
      (double)cosine);
}

/* Centres of identities that have one sample each align nothing. Said once. */
static void look_at_batch(training *t) {
  const float few = 1.5f;
  if (t->warned_of_single_samples || !t->model.inputs.identity_samples.id) return;
  const float samples = xr_model_loss(&t->model, t->model.inputs.identity_samples);
  if (samples >= few) return;
  t->warned_of_single_samples = true;
  xr_warn("an identity has %.2f samples in a batch: centres and semi-positives need more; sampler.kind: identity gives sampler.instances",
          (double)samples);
}

/* Waits for the step that runs, and draws the conclusions. */
static xr_status finish_step(training *t) {
  if (!t->started.runs) return XR_OK;
  t->started.runs = false;
  XR_TRY(xr_executor_wait(t->model.executor));
  const float loss = xr_model_loss(&t->model, t->model.inputs.total);
  const xr_update update = xr_optimizer_update(t->model.optimizer);
  look_at_batch(t);
  look_at_sets(t);
  if (update.bad_parameter >= 0 || !isfinite(loss)) {
    XR_TRY(leave_step_out(t, t->started.seed));
  } else {
    t->bad_in_a_row = 0;
    t->at.updates++;
  }
  t->at.step++;
  t->at.batch = t->started.batch + 1;
  const bool due = t->at.step % t->config->train.log_every == 0 || t->at.step == 1;
  return due ? log_step(t, t->started.lr, update.gradient_norm, t->started.batches) : XR_OK;
}

/* Starts a step. On a device the batch travels there while the step before it runs, whose results are looked at only then; on the CPU
 * nothing runs beside anything, and the step is finished at once. */
static xr_status step(training *t, const xr_batch *batch, int64_t batches) {
  XR_TRY(xr_feed_training(t->model.graph, &t->model.inputs, t->model.executor, batch));
  XR_TRY(finish_step(t));
  const double lr = xr_learning_rate(t->config, t->at.epoch, (double)t->at.batch / (double)batches);
  const xr_seed seed = {.key = xr_random_key((uint64_t)t->config->train.seed, "step"), .counter = (uint64_t)t->at.step};
  xr_optimizer_set(t->model.optimizer, lr, t->at.updates + 1);
  XR_TRY(xr_executor_step(t->model.executor, seed));
  t->started.runs = true;
  t->started.lr = lr;
  t->started.seed = seed;
  t->started.batch = batch->number;
  t->started.batches = batches;
  return t->options->backend == XR_CPU ? finish_step(t) : XR_OK;
}

/* The batches of one epoch from t->at.batch on. */
static xr_status run_epoch(training *t) {
  XR_TRY(xr_loader_start_epoch(t->data.loader, (uint64_t)t->at.epoch, t->at.batch));
  const int64_t batches = xr_loader_batches(t->data.loader);
  const xr_batch *batch;
  while (!stop_asked(t) && !steps_used_up(t)) {
    XR_TRY(xr_loader_next(t->data.loader, &batch));
    if (!batch) {
      XR_TRY(finish_step(t));
      t->at.epoch++;
      t->at.batch = 0;
      return XR_OK;
    }
    xr_status status = step(t, batch, batches);
    xr_loader_release(t->data.loader, batch);
    XR_TRY(status);
  }
  return finish_step(t);
}

static xr_status run_epochs(training *t) {
  const xr_config *c = t->config;
  t->last_log_seconds = xr_seconds();
  t->last_log_wait = xr_loader_waited_seconds(t->data.loader);
  t->last_log_step = t->at.step;
  while (t->at.epoch < c->train.epochs && !stop_asked(t) && !steps_used_up(t)) {
    XR_TRY(run_epoch(t));
    if (stop_asked(t) || t->at.batch) break;
    const bool last = t->at.epoch == c->train.epochs;
    const double pause = xr_seconds();
    if (last || (c->eval.every && t->at.epoch % c->eval.every == 0)) XR_TRY(select_best(t));
    if (last || t->at.epoch % c->train.checkpoint_every_epochs == 0) XR_TRY(save_checkpoint(t));
    t->last_log_seconds += xr_seconds() - pause; /* no part of the rate */
  }
  if (t->at.batch) XR_TRY(save_checkpoint(t)); /* stopped within an epoch */
  return XR_OK;
}

/* ---- the end */
/* Before the first step: what the initial weights reach. */
static xr_status evaluate_untrained(training *t) {
  xr_report_result row;
  if (!t->config->eval.untrained || t->at.step) return XR_OK;
  XR_TRY(evaluate(t, XR_SPLIT_TEST, "untrained", &row, NULL));
  return log_evaluation(t, XR_SPLIT_TEST, &row);
}

static xr_report_result rank1_row(const char *name, double rank1) {
  return (xr_report_result){.name = name, .rank1 = rank1, .rank5 = NAN, .rank10 = NAN, .mAP = NAN, .mINP = NAN};
}

/* What the trained weights are to be compared with. */
static void add_comparisons(training *t) {
  xr_report_result row;
  double attributes;
  add_row(t, rank1_row("chance", xr_chance_rank1(&t->task.dataset->splits[XR_SPLIT_TEST])));
  if (!t->config->eval.untrained) return;
  if (xr_metrics_read_evaluation(t->run.metrics_path, 0, "test", &row) == XR_OK) {
    row.name = "untrained";
    add_row(t, row);
  }
  if (xr_synth_attribute_rank1(t->task.dataset->root, "test", &attributes) == XR_OK) add_row(t, rank1_row("true attributes", attributes));
}

static xr_status finish(training *t) {
  const xr_config_peer authors = xr_published_paper(t->config);
  const xr_report_result paper = xr_published_row(&authors);
  xr_report_result last, best;
  xr_evaluation ranking;
  add_comparisons(t);
  if (t->at.best < 0) XR_TRY(select_best(t)); /* stopped by train.max_steps before the first evaluation */
  XR_TRY(evaluate(t, XR_SPLIT_TEST, "last weights", &last, NULL));
  XR_TRY(log_evaluation(t, XR_SPLIT_TEST, &last));
  XR_TRY(xr_checkpoint_load(t->run.best, t->model.parameters, NULL));
  XR_TRY(evaluate(t, XR_SPLIT_TEST, t->selection == XR_SPLIT_VAL ? "best on val" : "best on test", &best, &ranking));
  add_row(t, last);
  add_row(t, best);
  if (paper.rank1 >= 0) add_row(t, paper);
  xr_run_result end = {.step = t->at.step,
                       .epoch = t->at.epoch,
                       .best_step = t->at.best_step,
                       .queries = ranking.queries,
                       .gallery = ranking.gallery,
                       .ties_at_positives = ranking.ties_at_positives,
                       .seconds = seconds_so_far(t),
                       .backend = t->options->backend,
                       .best = best};
  xr_device_name(end.backend, end.device, sizeof end.device);
  xr_status status = xr_run_report_write(&t->run, &t->task, &ranking, t->result->row, t->result->rows);
  xr_evaluation_free(&ranking);
  return status == XR_OK ? xr_metrics_log_result(t->run.metrics, &end) : status;
}

static xr_status train(training *t) {
  XR_TRY(prepare(t));
  describe(t);
  XR_TRY(evaluate_untrained(t));
  XR_TRY(run_epochs(t));
  t->result->step = t->at.step;
  t->result->stopped = stop_asked(t);
  if (!t->result->stopped) return finish(t);
  xr_info("Stopped at step %lld; the checkpoint is written", (long long)t->at.step);
  return XR_OK;
}

xr_status xr_train(const xr_config *config, const xr_train_options *options, xr_train_result *result) {
  training t = {.config = config, .options = options, .result = result, .started_at = xr_seconds()};
  memset(result, 0, sizeof *result);
  xr_status status = train(&t);
  xr_training_data_close(&t.data);
  xr_model_free(&t.model);
  xr_task_close(&t.task);
  xr_run_folder_close(&t.run);
  return status;
}

void xr_print_results(const xr_report_result *rows, int count, FILE *out) {
  fprintf(out, "%-18s %7s %7s %7s %7s %7s   (percent, test split)\n", "", "R-1", "R-5", "R-10", "mAP", "mINP");
  for (int i = 0; i < count; i++) {
    double figures[XR_FIGURES];
    char text[XR_PERCENT_TEXT];
    xr_figures_of(&rows[i], figures);
    fprintf(out, "%-18s", rows[i].name);
    for (int k = 0; k < XR_FIGURES; k++) fprintf(out, " %7s", xr_percent(text, figures[k]));
    fputc('\n', out);
  }
}
