#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/base/random.h"
#include "host/graph/executor.h"
#include "kernels/linear/gemm.h"
#include "tools/bench_cases.h"
#include "tools/commands.h"
#include "tools/run_options.h"

static const xr_command_text text = {
    .name = "bench",
    .usage = "[OP ...] [--precision f32|bf16] [--batch N] [--json FILE]\n       xreid bench step CONFIG [key=value ...]",
    .summary = "Times single operations at the papers' shapes, or whole training steps on random inputs.",
    .example = "  xreid bench                                  every operation\n"
               "  xreid bench attention_image layernorm --precision bf16\n"
               "  xreid bench step configs/irra_cuhk-pedes.yaml sampler.batch=4 --repeats 5",
};

enum { MAX_REPEATS = 1000 };

typedef struct {
  const char *precision, *json;
  int64_t batch, repeats;
  xr_run_options run;
} bench_options;

typedef struct { /* milliseconds */
  double median, least, most;
} spread;

typedef struct { /* what this machine reaches in this run: copies of large arrays, a large square product */
  double bytes_per_second, flops_per_second;
} ceilings;

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static spread spread_of(double *milliseconds, int64_t count) {
  qsort(milliseconds, (size_t)count, sizeof *milliseconds, by_value);
  return (spread){milliseconds[count / 2], milliseconds[0], milliseconds[count - 1]};
}

/* ---- ceilings */
static double copy_seconds(char *to, const char *from, size_t bytes) {
  double start = xr_seconds();
#pragma omp parallel for schedule(static)
  for (size_t block = 0; block < bytes >> 20; block++) memcpy(to + (block << 20), from + (block << 20), 1 << 20);
  return xr_seconds() - start;
}

static xr_status measure_ceilings(xr_dtype dtype, ceilings *c) {
  enum { SIDE = 2048 };
  const size_t bytes = (size_t)256 << 20;
  char *block = xr_block_alloc(2 * bytes);
  xr_gemm gemm = {.m = SIDE,
                  .n = SIDE,
                  .k = SIDE,
                  .dtype = dtype,
                  .c_dtype = XR_F32,
                  .a = block,
                  .b = block + bytes / 2,
                  .c = block + bytes,
                  .lda = SIDE,
                  .ldb = SIDE,
                  .ldc = SIDE};
  void *workspace = xr_block_alloc(xr_gemm_workspace(&gemm) + 1);
  double copy = INFINITY, product = INFINITY;
  xr_status status = block && workspace ? XR_OK : XR_NO_MEMORY;
  if (status == XR_OK) memset(block, 0, 2 * bytes);
  gemm.workspace = workspace;
  for (int i = 0; i < 5 && status == XR_OK; i++) {
    copy = fmin(copy, copy_seconds(block + bytes, block, bytes));
    double start = xr_seconds();
    status = xr_gemm_cpu(&gemm);
    product = fmin(product, xr_seconds() - start);
  }
  xr_block_free(block);
  xr_block_free(workspace);
  *c = (ceilings){2.0 * (double)bytes / copy, 2.0 * SIDE * SIDE * SIDE / product};
  return status;
}

/* ---- one operation */
typedef struct {
  xr_parameters *parameters;
  xr_graph *graph;
  xr_plan *plan;
  xr_executor *executor;
} fixture;

static void fill_integers(const fixture *f) {
  for (int32_t id = 1; id < xr_tensor_count(f->graph); id++) {
    xr_var v = {id};
    if (!xr_is_input(f->graph, v)) continue;
    const int64_t n = xr_elements(xr_shape_of(f->graph, v));
    int32_t *values = xr_executor_input(f->executor, v);
    for (int64_t i = 0; i < n; i++) values[i] = (int32_t)(xr_philox_at(7, 0, (uint64_t)i).word[0] % 1000);
  }
}

/* The operation's result, weighted by itself, as the loss: a gradient of full size reaches it. */
static xr_status make(fixture *f, const xr_bench_case *c, xr_dtype dtype, int64_t batch) {
  f->parameters = xr_parameters_new();
  f->graph = f->parameters ? xr_graph_new(f->parameters, (xr_graph_options){.name = c->name, .compute = dtype, .training = true}) : NULL;
  if (!f->graph) return XR_NO_MEMORY;
  xr_var y = c->build(f->graph, batch);
  XR_TRY(xr_graph_status(f->graph));
  if (xr_elements(xr_shape_of(f->graph, y)) > 1) {
    xr_var row = xr_reshape(f->graph, "row", xr_cast_to(f->graph, "f32", y, XR_F32), XR_SHAPE(1, xr_elements(xr_shape_of(f->graph, y))));
    y = xr_reshape(f->graph, "loss", xr_matmul_transposed(f->graph, "square", row, row), XR_SHAPE(1));
  }
  XR_TRY(xr_graph_status(f->graph));
  XR_TRY(xr_parameters_allocate(f->parameters, (xr_parameter_options){.seed = 1, .compute = dtype, .training = true}));
  XR_TRY(xr_plan_new(&f->plan, f->graph, y, (xr_plan_options){.backend = XR_CPU}));
  XR_TRY(xr_executor_new(&f->executor, f->plan, (xr_executor_options){0}));
  fill_integers(f);
  return XR_OK;
}

static void drop(fixture *f) {
  xr_executor_free(f->executor);
  xr_plan_free(f->plan);
  xr_graph_free(f->graph);
  xr_parameters_free(f->parameters);
}

/* Milliseconds of the operation's node in both directions, over `repeats` runs of the whole graph (which empties the caches in between). */
static xr_status time_case(const fixture *f, const xr_bench_case *c, int64_t repeats, double ms[2][MAX_REPEATS], const xr_node **node) {
  for (int64_t i = -1; i < repeats; i++) {
    double spent[2] = {0};
    for (int tick = 0; tick < xr_executor_tick_count(f->executor); tick++) {
      bool backward;
      const xr_node *n = xr_executor_tick_node(f->executor, tick, &backward);
      double start = xr_seconds();
      XR_TRY(xr_executor_run_tick(f->executor, tick, (xr_seed){1, 1}));
      if (strcmp(xr_node_path(n), c->node) != 0) continue;
      spent[backward] += xr_seconds() - start;
      *node = n;
    }
    for (int pass = 0; pass < 2 && i >= 0; pass++) ms[pass][i] = spent[pass] * 1e3; /* the first run warms up */
  }
  return XR_OK;
}

static void report(const xr_bench_case *c, const fixture *f, const xr_node *node, double ms[2][MAX_REPEATS], const bench_options *o,
                   ceilings top, json_t *list) {
  for (int pass = 0; pass < 2; pass++) {
    spread s = spread_of(ms[pass], o->repeats);
    xr_work w = xr_plan_node_work(f->plan, node, pass);
    double flops = w.forward_flops + w.backward_flops, seconds = s.median * 1e-3;
    double floor = fmax(flops / top.flops_per_second, w.bytes_moved / top.bytes_per_second);
    printf("%-18s %-8s %10.3f %10.3f %9.1f %9.1f %7.0f\n", c->name, pass ? "backward" : "forward", s.median, s.least,
           w.bytes_moved / seconds * 1e-9, flops / seconds * 1e-9, 100 * floor / seconds);
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:f}", "op", c->name, "pass",
                                          pass ? "backward" : "forward", "shape", c->shape, "precision", o->precision, "batch",
                                          (json_int_t)o->batch, "ms", s.median, "ms_min", s.least, "ms_max", s.most, "gb_per_second",
                                          w.bytes_moved / seconds * 1e-9, "gflop_per_second", flops / seconds * 1e-9, "share_of_ceiling",
                                          floor / seconds));
  }
}

static xr_status bench_case(const xr_bench_case *c, const bench_options *o, ceilings top, json_t *list) {
  static double ms[2][MAX_REPEATS];
  fixture f = {0};
  const xr_node *node = NULL;
  xr_status status = make(&f, c, strcmp(o->precision, "bf16") == 0 ? XR_BF16 : XR_F32, o->batch);
  if (status == XR_OK) status = time_case(&f, c, o->repeats, ms, &node);
  if (status == XR_OK) report(c, &f, node, ms, o, top, list);
  drop(&f);
  return status == XR_OK ? XR_OK : xr_fail_in(status, "%s", c->name);
}

static const xr_bench_case *find_case(const char *name) {
  for (int i = 0; i < xr_bench_case_count; i++)
    if (strcmp(xr_bench_cases[i].name, name) == 0) return &xr_bench_cases[i];
  return NULL;
}

static int write_json(json_t *json, const char *path) {
  char *out = json_dumps(json, JSON_INDENT(1));
  xr_status status = out ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory");
  if (out && strcmp(path, "-") == 0)
    puts(out);
  else if (out)
    status = xr_write_file(path, out, strlen(out));
  free(out);
  return status == XR_OK ? XR_EXIT_DONE : xr_command_failed();
}

static int bench_operations(const bench_options *o, int count, char **names) {
  ceilings top;
  for (int i = 0; i < count; i++)
    if (!find_case(names[i])) {
      fprintf(stderr, "the operations:");
      for (int k = 0; k < xr_bench_case_count; k++) fprintf(stderr, " %s", xr_bench_cases[k].name);
      fputc('\n', stderr);
      return xr_usage_error(&text, "there is no operation '%s'", names[i]);
    }
  if (measure_ceilings(strcmp(o->precision, "bf16") == 0 ? XR_BF16 : XR_F32, &top) != XR_OK) return xr_command_failed();
  printf("measured here: copies %.1f GB/s, a %s product of 2048 %.1f GFLOP/s; batch %lld, median of %lld\n", top.bytes_per_second * 1e-9,
         o->precision, top.flops_per_second * 1e-9, (long long)o->batch, (long long)o->repeats);
  printf("%-18s %-8s %10s %10s %9s %9s %7s\n", "operation", "pass", "ms", "least ms", "GB/s", "GFLOP/s", "% ceil.");
  json_t *list = json_array();
  xr_status status = XR_OK;
  for (int i = 0; i < (count ? count : xr_bench_case_count) && status == XR_OK; i++)
    status = bench_case(count ? find_case(names[i]) : &xr_bench_cases[i], o, top, list);
  int code = status != XR_OK ? xr_command_failed() : o->json ? write_json(list, o->json) : XR_EXIT_DONE;
  json_decref(list);
  return code;
}

/* ---- whole steps */
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

static xr_status time_steps(xr_model *m, int64_t repeats, double *ms, float *first, float *last) {
  for (int64_t i = -2; i < repeats; i++) {
    double start = xr_seconds();
    xr_optimizer_set(m->optimizer, m->task->config->optimizer.lr, i + 3);
    XR_TRY(xr_executor_step(m->executor, (xr_seed){1, (uint64_t)(i + 2)}));
    XR_TRY(xr_executor_wait(m->executor));
    if (i >= 0) ms[i] = (xr_seconds() - start) * 1e3;
    *last = xr_model_loss(m, m->inputs.total);
    if (i == -2) *first = *last;
  }
  return XR_OK;
}

static int report_steps(const xr_model *m, const bench_options *o, double *ms, float first, float last) {
  spread s = spread_of(ms, o->repeats);
  xr_work w = xr_plan_work(m->plan);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const double batch = (double)m->task->context.batch, flops = w.forward_flops + w.backward_flops + w.recompute_flops;
  json_t *json = json_pack(
      "{s:s, s:s, s:I, s:s, s:f, s:f, s:f, s:f, s:I, s:f, s:f, s:f, s:f, s:f}", "bench", "step", "model", m->task->method->name, "batch",
      (json_int_t)m->task->context.batch, "precision", m->task->config->model.precision == XR_CONFIG_BF16 ? "bf16" : "f32", "ms", s.median,
      "ms_min", s.least, "ms_max", s.most, "images_per_second", batch / s.median * 1e3, "parameters",
      (json_int_t)xr_parameter_elements(m->parameters), "gflop_per_step", flops * 1e-9, "gflop_per_second", flops / s.median * 1e-6,
      "peak_memory_mib", (double)usage.ru_maxrss / 1024, "loss_first", (double)first, "loss_last", (double)last);
  int code = json ? write_json(json, o->json ? o->json : "-") : xr_command_failed();
  json_decref(json);
  return code;
}

static int bench_steps(const bench_options *o, int positional, char **argv) {
  static double ms[MAX_REPEATS];
  xr_config *config;
  xr_task task = {0};
  xr_model model = {0};
  float first = 0, last = 0;
  int wrong = xr_open_config(&text, &o->run, positional, argv, &config);
  if (wrong >= 0) return wrong;
  xr_device device;
  wrong = xr_open_device(&text, &o->run, &device);
  if (wrong >= 0) {
    xr_config_free(config);
    return wrong;
  }
  xr_status status = xr_task_describe(&task, config);
  if (status == XR_OK) status = xr_model_new(&model, &task, (xr_model_options){.backend = device.backend, .no_graph = o->run.no_graph});
  if (status == XR_OK) status = xr_model_allocate(&model);
  if (status == XR_OK) {
    fill_inputs(&model);
    status = time_steps(&model, o->repeats, ms, &first, &last);
  }
  int code = status == XR_OK ? report_steps(&model, o, ms, first, last) : xr_command_failed();
  xr_model_free(&model);
  xr_task_close(&task);
  xr_config_free(config);
  return code;
}

int xr_command_bench(int argc, char **argv) {
  bench_options o = {.precision = "f32", .batch = 64, .repeats = 10};
  xr_option options[] = {
      {.name = "precision",
       .kind = XR_TEXT,
       .value = &o.precision,
       .argument = "f32|bf16",
       .help = "of single operations; a step has model.precision"},
      {.name = "batch",
       .kind = XR_INTEGER,
       .value = &o.batch,
       .argument = "N",
       .help = "of single operations; default 64",
       .minimum = 1,
       .maximum = 4096},
      {.name = "repeats",
       .kind = XR_INTEGER,
       .value = &o.repeats,
       .argument = "N",
       .help = "runs that count; default 10",
       .minimum = 1,
       .maximum = MAX_REPEATS},
      {.name = "json", .kind = XR_TEXT, .value = &o.json, .argument = "FILE", .help = "the figures as JSON; - for standard output"},
      XR_RUN_OPTIONS(o.run),
  };
  int positional, wrong = xr_parse_options(&text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  if (strcmp(o.precision, "f32") != 0 && strcmp(o.precision, "bf16") != 0)
    return xr_usage_error(&text, "there is no precision '%s': f32, bf16", o.precision);
  if (positional && strcmp(argv[0], "step") == 0) return bench_steps(&o, positional - 1, argv + 1);
  wrong = xr_apply_run_options(&text, &o.run);
  return wrong >= 0 ? wrong : bench_operations(&o, positional, argv);
}
