/* Whole training steps on random inputs. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "host/base/file.h"
#include "host/base/random.h"
#include "tools/bench.h"

static void fill_captions(const xr_model *m, xr_random *r, int32_t *ids, int32_t *end) {
  const xr_model_context *c = &m->task->context;
  const int64_t context = c->config->text.context;
  for (int64_t b = 0; b < c->batch; b++) {
    end[b] = (int32_t)(context / 4 + xr_random_below(r, (uint32_t)(context / 2)));
    for (int64_t t = 0; t < context; t++)
      ids[b * context + t] = t > end[b] ? 0 : (int32_t)(1 + xr_random_below(r, (uint32_t)c->vocabulary - 1));
  }
}

/* Hides the words at every seventh place, as far as there are rows for them. */
static void fill_masks(const xr_model *m, int32_t *ids) {
  const int64_t rows = xr_shape_of(m->graph, m->inputs.mask_index).dim[0],
                places = xr_elements(xr_shape_of(m->graph, m->inputs.masked_ids));
  int32_t *index = xr_executor_input(m->executor, m->inputs.mask_index), *label = xr_executor_input(m->executor, m->inputs.mask_label);
  for (int64_t r = 0; r < rows; r++) {
    const int64_t place = 7 * r + 1;
    index[r] = place < places ? (int32_t)place : -1;
    label[r] = place < places ? ids[place] : -1;
    if (place < places) ids[place] = (int32_t)m->task->context.vocabulary - 3;
  }
}

static void fill_inputs(const xr_model *m) {
  const xr_model_context *c = &m->task->context;
  xr_random r = xr_random_start(3, 0);
  uint8_t *pixels = xr_executor_input(m->executor, m->inputs.pixels);
  for (int64_t i = 0; i < xr_elements(xr_shape_of(m->graph, m->inputs.pixels)); i++) pixels[i] = (uint8_t)xr_random_word(&r);
  memset(xr_executor_input(m->executor, m->inputs.decisions), 0, (size_t)c->batch * sizeof(xr_augment_decision));
  int32_t *end = xr_executor_input(m->executor, m->inputs.end);
  if (m->inputs.ids.id) fill_captions(m, &r, xr_executor_input(m->executor, m->inputs.ids), end);
  if (m->inputs.masked_ids.id) {
    int32_t *masked = xr_executor_input(m->executor, m->inputs.masked_ids);
    fill_captions(m, &r, masked, end);
    fill_masks(m, masked);
  }
  int32_t *length = m->inputs.length.id ? xr_executor_input(m->executor, m->inputs.length) : NULL;
  int32_t *identity = xr_executor_input(m->executor, m->inputs.identity), *image = xr_executor_input(m->executor, m->inputs.image);
  for (int64_t b = 0; b < c->batch; b++) {
    if (length) length[b] = end[b] + 1;
    identity[b] = (int32_t)(b % c->classes);
    image[b] = (int32_t)b;
  }
}

static xr_status time_steps(xr_model *m, int64_t repeats, double *seconds, float *first, float *last) {
  for (int64_t i = -2; i < repeats; i++) {
    double start = xr_seconds();
    xr_optimizer_set(m->optimizer, m->task->config->optimizer.lr, i + 3);
    XR_TRY(xr_executor_step(m->executor, (xr_seed){1, (uint64_t)(i + 2)}));
    XR_TRY(xr_executor_wait(m->executor));
    if (i >= 0) seconds[i] = xr_seconds() - start;
    *last = xr_model_loss(m, m->inputs.total);
    if (i == -2) *first = *last;
  }
  return XR_OK;
}

typedef struct {
  xr_bench_spread seconds;
  xr_device_speed peak; /* zeros: the device has no room to measure it */
  float loss_first, loss_last;
} step_figures;

static void add_peak(json_t *json, const xr_plan *plan, const step_figures *f) {
  if (!(f->peak.flops_per_second > 0)) return;
  const double floor = xr_plan_floor_seconds(plan, f->peak);
  json_t *more = json_pack("{s:f, s:f, s:f, s:f}", "peak_gflop_per_second", f->peak.flops_per_second * 1e-9, "peak_gb_per_second",
                           f->peak.bytes_per_second * 1e-9, "floor_ms", 1e3 * floor, "share_of_peak", floor / f->seconds.median);
  json_object_update(json, more);
  json_decref(more);
}

static int report_steps(const xr_model *m, const char *json_path, const step_figures *f) {
  const xr_config *c = m->task->config;
  const xr_work w = xr_plan_work(m->plan);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const double batch = (double)m->task->context.batch, flops = w.forward_flops + w.backward_flops + w.recompute_flops;
  const double median = f->seconds.median;
  json_t *json = json_pack("{s:s, s:s, s:s, s:I, s:s, s:f, s:f, s:f, s:f, s:I, s:f, s:f, s:f, s:f, s:f}", "bench", "step", "backend",
                           m->options.backend == XR_CUDA ? "cuda" : "cpu", "model", m->task->method->name, "batch",
                           (json_int_t)m->task->context.batch, "precision", c->model.precision == XR_CONFIG_BF16 ? "bf16" : "f32", "ms",
                           1e3 * median, "ms_min", 1e3 * f->seconds.least, "ms_max", 1e3 * f->seconds.most, "images_per_second",
                           batch / median, "parameters", (json_int_t)xr_parameter_elements(m->parameters), "gflop_per_step", flops * 1e-9,
                           "gflop_per_second", flops / median * 1e-9, "peak_memory_mib", (double)usage.ru_maxrss / 1024, "loss_first",
                           (double)f->loss_first, "loss_last", (double)f->loss_last);
  add_peak(json, m->plan, f);
  size_t free_bytes, total_bytes; /* what other programs have there counts, too */
  if (json && xr_device_free_bytes(m->options.backend, &free_bytes, &total_bytes))
    json_object_set_new(json, "device_memory_mib", json_real((double)(total_bytes - free_bytes) / 1048576.0));
  const int code = xr_bench_write_json(json, json_path ? json_path : "-");
  json_decref(json);
  return code;
}

/* What the configuration says, else what is measured. */
static xr_status find_peak(const xr_config *c, xr_backend backend, xr_device_speed *peak) {
  const xr_dtype compute = c->model.precision == XR_CONFIG_BF16 ? XR_BF16 : XR_F32;
  *peak = (xr_device_speed){c->train.peak_tflop_per_second * 1e12, c->train.peak_gb_per_second * 1e9};
  xr_status status = XR_OK;
  if (!(peak->bytes_per_second > 0)) status = xr_measure_copies(backend, 0.1, &peak->bytes_per_second);
  if (status == XR_OK && !(peak->flops_per_second > 0))
    status = xr_measure_products(backend, xr_product_kind_of(backend, compute, c->model.tf32), 0.1, &peak->flops_per_second);
  if (status != XR_OK) *peak = (xr_device_speed){0};
  return status == XR_NO_MEMORY ? XR_OK : status;
}

int xr_bench_steps(const xr_command_text *command, const xr_bench_options *o, int positional, char **argv) {
  static double seconds[XR_BENCH_MAX_REPEATS];
  const int64_t repeats = o->repeats ? o->repeats : 10;
  xr_config *config;
  xr_task task = {0};
  xr_model model = {0};
  step_figures f = {0};
  int wrong = xr_open_config(command, &o->run, positional, argv, &config);
  if (wrong >= 0) return wrong;
  xr_device device;
  wrong = xr_open_device(command, &o->run, &device);
  if (wrong >= 0) {
    xr_config_free(config);
    return wrong;
  }
  xr_status status = xr_task_describe(&task, config);
  if (status == XR_OK) status = find_peak(config, device.backend, &f.peak);
  if (status == XR_OK) status = xr_model_new(&model, &task, (xr_model_options){.backend = device.backend, .no_graph = o->run.no_graph});
  if (status == XR_OK) status = xr_model_allocate(&model);
  if (status == XR_OK) {
    fill_inputs(&model);
    status = time_steps(&model, repeats, seconds, &f.loss_first, &f.loss_last);
  }
  if (status == XR_OK) f.seconds = xr_bench_spread_of(seconds, repeats);
  const int code = status == XR_OK ? report_steps(&model, o->json, &f) : xr_command_failed();
  xr_model_free(&model);
  xr_task_close(&task);
  xr_config_free(config);
  return code;
}
