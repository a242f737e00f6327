/* Times the node "op" of small graphs. Several copies of a graph, with memory of their own, take turns. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/random.h"
#include "host/graph/executor.h"
#include "host/graph/stopwatch.h"
#include "tools/bench.h"

enum { WARM_UP = 2, MOST_SETS = 256, SMALL_SETS = 3, USES_CUDA = 32, REPEATS_CPU = 10, REPEATS_CUDA = 30, REPEATS_SMALL = 3 };

/* ---- a graph with its memory */
typedef struct {
  xr_parameters *parameters;
  xr_graph *graph;
  xr_plan *plan;
  xr_executor *executor;
} set;

/* Cross-entropy over the result's rows: a gradient of full size, without zeros, reaches it. */
static xr_var loss_of(xr_graph *g, xr_var y) {
  const xr_shape shape = xr_shape_of(g, y);
  if (!y.id || xr_elements(shape) == 1) return y;
  const int64_t rows = xr_rows(shape);
  xr_var table = xr_reshape(g, "rows", y, XR_SHAPE(rows, xr_last_dim(shape)));
  return xr_cross_entropy_loss(g, "loss", table, xr_input(g, "loss_labels", XR_I32, XR_SHAPE(rows)), 0);
}

static xr_status fill(const xr_bench *b, const xr_bench_case *c, const set *s, uint64_t key) {
  bool own = c->fill != NULL; /* the first input of integers is the case's, the other one the loss's labels, which stay 0 */
  for (int32_t id = 1; id < xr_tensor_count(s->graph); id++) {
    const xr_var v = {id};
    if (!xr_is_input(s->graph, v)) continue;
    const xr_shape shape = xr_shape_of(s->graph, v);
    void *values = xr_executor_input(s->executor, v);
    if (!values) return XR_DEVICE;
    if (xr_dtype_of(s->graph, v) == XR_U8) {
      for (int64_t i = 0; i < xr_elements(shape); i++) ((uint8_t *)values)[i] = (uint8_t)xr_philox_at(key, 1, (uint64_t)i).word[0];
    } else if (own) {
      c->fill(&b->sizes, key, shape, values);
      own = false;
    } else {
      memset(values, 0, (size_t)xr_elements(shape) * sizeof(int32_t));
    }
  }
  return XR_OK;
}

static xr_status make(const xr_bench *b, const xr_bench_case *c, uint64_t seed, set *s) {
  *s = (set){.parameters = xr_parameters_new()};
  const xr_graph_options options = {.name = c->name, .compute = b->compute, .training = true};
  s->graph = s->parameters ? xr_graph_new(s->parameters, options) : NULL;
  if (!s->graph) return XR_NO_MEMORY;
  xr_var y = c->build(s->graph, &b->sizes), loss = c->forward_only ? (xr_var){0} : loss_of(s->graph, y);
  XR_TRY(xr_graph_status(s->graph));
  const xr_parameter_options how = {.seed = seed, .compute = b->compute, .training = true, .backend = b->backend};
  XR_TRY(xr_parameters_allocate(s->parameters, how));
  XR_TRY(xr_plan_new(&s->plan, s->graph, loss, (xr_plan_options){.backend = b->backend}));
  XR_TRY(xr_executor_new(&s->executor, s->plan, (xr_executor_options){.tf32 = b->tf32, .stream = b->stream}));
  return fill(b, c, s, seed);
}

static void drop(set *s) {
  xr_executor_free(s->executor);
  xr_plan_free(s->plan);
  xr_graph_free(s->graph);
  xr_parameters_free(s->parameters);
}

/* ---- what is timed: one tick of every set, in turn */
typedef struct {
  set *sets;
  xr_bench_rotation rotation;
  int tick[2]; /* of the node, forward and backward; -1: there is none */
  const xr_node *node;
  int pass; /* what the stopwatch below runs */
} subject;

static xr_status queue_turns(void *context, xr_stream stream) {
  const subject *s = context;
  (void)stream; /* the executors were made on it */
  for (int round = 0; round < s->rotation.rounds; round++)
    for (int i = 0; i < s->rotation.sets; i++) XR_TRY(xr_executor_queue_tick(s->sets[i].executor, s->tick[s->pass]));
  return XR_OK;
}

static void find_ticks(subject *s) {
  s->tick[0] = s->tick[1] = -1;
  for (int at = 0; at < xr_executor_tick_count(s->sets[0].executor); at++) {
    bool backward;
    const xr_node *node = xr_executor_tick_node(s->sets[0].executor, at, &backward);
    if (strcmp(xr_node_path(node), "op") != 0) continue;
    s->node = node;
    s->tick[backward] = at;
  }
}

/* Everything that the node reads in this pass. */
static xr_status run_up_to(const subject *s, int pass) {
  for (int i = 0; i < s->rotation.sets; i++) {
    xr_executor *e = s->sets[i].executor;
    if (!pass) XR_TRY(xr_executor_run_tick(e, 0, (xr_seed){1, 1})); /* brings inputs and seed */
    for (int at = pass ? s->tick[0] + 1 : 1; at < s->tick[pass]; at++) XR_TRY(xr_executor_queue_tick(e, at));
  }
  return XR_OK;
}

static xr_status time_passes(const xr_bench *b, subject *s, double seconds[2][XR_BENCH_MAX_REPEATS]) {
  xr_stopwatch *watch[2] = {NULL, NULL};
  xr_status status = XR_OK;
  const double turns = (double)s->rotation.sets * s->rotation.rounds;
  for (int pass = 0; pass < 2 && status == XR_OK; pass++)
    status = xr_stopwatch_new(&watch[pass], b->backend, b->stream, (xr_timed_work){queue_turns, s, b->no_graph});
  for (int64_t i = -WARM_UP; i < b->repeats && status == XR_OK; i++) {
    for (int pass = 0; pass < 2 && s->tick[pass] >= 0 && status == XR_OK; pass++) {
      double all = 0;
      s->pass = pass;
      status = run_up_to(s, pass);
      if (status == XR_OK) status = xr_stopwatch_run(watch[pass], &all);
      if (i >= 0) seconds[pass][i] = all / turns;
    }
  }
  for (int pass = 0; pass < 2; pass++) xr_stopwatch_free(watch[pass]);
  return status;
}

/* ---- a case */
/* "[64, 193, 2304] [8]": the node's inputs. */
static void shapes_of(const xr_node *node, char *text, size_t size) {
  size_t used = 0;
  *text = '\0';
  for (int i = 0; i < xr_input_count(node) && used < size; i++)
    if (xr_input_shape(node, i).rank)
      used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : "", xr_shape_to_text(xr_input_shape(node, i)).text);
}

static void report(const xr_bench *b, const xr_bench_case *c, const subject *s, double seconds[2][XR_BENCH_MAX_REPEATS]) {
  char shapes[256];
  shapes_of(s->node, shapes, sizeof shapes);
  for (int pass = 0; pass < 2; pass++) {
    if (s->tick[pass] < 0) continue;
    const xr_work w = xr_plan_node_work(s->sets[0].plan, s->node, pass);
    xr_bench_report(b, &(xr_bench_row){.name = c->name,
                                       .pass = pass ? "backward" : "forward",
                                       .shape = shapes,
                                       .note = c->note,
                                       .flops = w.forward_flops + w.backward_flops,
                                       .bytes = w.bytes_moved,
                                       .rotation = s->rotation,
                                       .seconds = xr_bench_spread_of(seconds[pass], b->repeats)});
  }
}

xr_bench_rotation xr_bench_rotation_of(const xr_bench *b, double set_bytes, int most_sets) {
  const double others = ceil((double)b->cache_bytes / fmax(set_bytes, 1));
  xr_bench_rotation r = {.sets = others + 1 < most_sets ? (int)others + 1 : most_sets, .rounds = 1, .set_bytes = set_bytes};
  if (b->backend == XR_CUDA && !b->small) r.rounds = (USES_CUDA + r.sets - 1) / r.sets;
  r.exceeds_cache = r.sets > 1 ? (r.sets - 1) * set_bytes >= (double)b->cache_bytes : set_bytes >= 2 * (double)b->cache_bytes;
  return r;
}

static xr_status run_case(const xr_bench *b, const xr_bench_case *c) {
  static double seconds[2][XR_BENCH_MAX_REPEATS];
  set sets[MOST_SETS];
  subject s = {.sets = sets, .rotation = {.sets = 1}};
  xr_status status = make(b, c, 1, &sets[0]);
  if (status == XR_OK) {
    find_ticks(&s);
    /* The pass that touches less decides. */
    double bytes = xr_plan_node_work(sets[0].plan, s.node, false).bytes_moved;
    if (s.tick[1] >= 0) bytes = fmin(bytes, xr_plan_node_work(sets[0].plan, s.node, true).bytes_moved);
    const xr_bench_rotation wanted = xr_bench_rotation_of(b, bytes, b->small ? SMALL_SETS : MOST_SETS);
    for (; s.rotation.sets < wanted.sets && status == XR_OK; s.rotation.sets++)
      status = make(b, c, 1 + (uint64_t)s.rotation.sets, &sets[s.rotation.sets]);
    if (status == XR_OK) s.rotation = wanted;
  }
  if (status == XR_OK) status = time_passes(b, &s, seconds);
  if (status == XR_OK) report(b, c, &s, seconds);
  for (int i = 0; i < s.rotation.sets; i++) drop(&sets[i]);
  return status == XR_OK ? XR_OK : xr_fail_in(status, "%s", c->name);
}

/* ---- all of them */
static const xr_bench_case *find_case(const char *name) {
  for (int i = 0; i < xr_bench_case_count; i++)
    if (strcmp(xr_bench_cases[i].name, name) == 0) return &xr_bench_cases[i];
  return NULL;
}

static const char *const updates[] = {"gradient_norm", "adam"};
enum { UPDATES = sizeof updates / sizeof *updates };

bool xr_bench_is_update(const char *name) {
  for (int i = 0; i < UPDATES; i++)
    if (strcmp(updates[i], name) == 0) return true;
  return false;
}

static bool is_retrieval(const char *name) {
  for (int i = 0; xr_bench_retrieval_name(i); i++)
    if (strcmp(xr_bench_retrieval_name(i), name) == 0) return true;
  return false;
}

static xr_status run_one(const xr_bench *b, const char *name) {
  const xr_bench_case *c = find_case(name);
  const xr_status status = c ? run_case(b, c) : is_retrieval(name) ? xr_bench_retrieval(b, name) : xr_bench_update(b, name);
  fflush(b->table);
  return status;
}

static xr_status run_all(const xr_bench *b, int count, char **names) {
  for (int i = 0; i < count; i++) XR_TRY(run_one(b, names[i]));
  for (int i = 0; i < xr_bench_case_count && !count; i++) XR_TRY(run_one(b, xr_bench_cases[i].name));
  for (int i = 0; i < UPDATES && !count; i++) XR_TRY(run_one(b, updates[i]));
  for (int i = 0; xr_bench_retrieval_name(i) && !count; i++) XR_TRY(run_one(b, xr_bench_retrieval_name(i)));
  return XR_OK;
}

static xr_status measure_ceilings(xr_bench *b) {
  const double seconds = b->small ? 0.02 : 1;
  XR_TRY(xr_measure_copies(b->backend, seconds, &b->bytes_per_second));
  for (xr_product_kind k = 0; k < XR_PRODUCT_KINDS; k++)
    if (k != XR_PRODUCT_TF32 || b->backend == XR_CUDA) XR_TRY(xr_measure_products(b->backend, k, seconds, &b->flops_per_second[k]));
  return XR_OK;
}

static void print_head(const xr_bench *b, const char *device, const char *precision) {
  fprintf(b->table, "measured in this run: copies %.1f GB/s, products", b->bytes_per_second * 1e-9);
  const char *comma = "";
  for (xr_product_kind k = 0; k < XR_PRODUCT_KINDS; k++) {
    if (!(b->flops_per_second[k] > 0)) continue;
    fprintf(b->table, "%s %s %.3f TFLOP/s", comma, xr_product_name(k), b->flops_per_second[k] * 1e-12);
    comma = ",";
  }
  fprintf(b->table,
          "\n%s, %s, batch %lld, median of %lld; each operation takes its buffers in turn from so many sets that together they exceed the "
          "cache of %.1f MiB, but for those marked *\n",
          device, precision, (long long)b->sizes.batch, (long long)b->repeats, (double)b->cache_bytes / 1048576.0);
  fprintf(b->table, "%-18s %-8s %10s %10s %9s %9s %6s %-8s %s\n", "operation", "pass", "ms", "least ms", "GB/s", "TFLOP/s", "%", "of",
          "shapes");
}

static json_t *to_json(const xr_bench *b, const char *device, const char *precision) {
  json_t *products = json_object();
  for (xr_product_kind k = 0; k < XR_PRODUCT_KINDS; k++)
    if (b->flops_per_second[k] > 0) json_object_set_new(products, xr_product_name(k), json_real(b->flops_per_second[k]));
  return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:{s:f, s:o}, s:O}", "bench", "operations", "backend",
                   b->backend == XR_CUDA ? "cuda" : "cpu", "device", device, "precision", precision, "batch", (json_int_t)b->sizes.batch,
                   "repeats", (json_int_t)b->repeats, "cache_bytes", (json_int_t)b->cache_bytes, "small", b->small, "ceilings",
                   "bytes_per_second", b->bytes_per_second, "flop_per_second", products, "operations", b->rows);
}

static int run(xr_bench *b, const xr_bench_options *o, int count, char **names) {
  char device[256];
  xr_device_name(b->backend, device, sizeof device);
  xr_status status = measure_ceilings(b);
  if (status == XR_OK) status = xr_device_stream_new(b->backend, &b->stream);
  if (status == XR_OK) {
    print_head(b, device, o->precision);
    status = run_all(b, count, names);
  }
  xr_device_stream_free(b->backend, b->stream);
  if (status != XR_OK) return xr_command_failed();
  if (!o->json) return XR_EXIT_DONE;
  json_t *json = to_json(b, device, o->precision);
  const int code = xr_bench_write_json(json, o->json);
  json_decref(json);
  return code;
}

int xr_bench_operations(const xr_command_text *command, const xr_bench_options *o, int count, char **names) {
  for (int i = 0; i < count; i++)
    if (!find_case(names[i]) && !xr_bench_is_update(names[i]) && !is_retrieval(names[i])) {
      fprintf(stderr, "the operations:");
      for (int k = 0; k < xr_bench_case_count; k++) fprintf(stderr, " %s", xr_bench_cases[k].name);
      for (int k = 0; k < UPDATES; k++) fprintf(stderr, " %s", updates[k]);
      for (int k = 0; xr_bench_retrieval_name(k); k++) fprintf(stderr, " %s", xr_bench_retrieval_name(k));
      fputc('\n', stderr);
      return xr_usage_error(command, "there is no operation '%s'", names[i]);
    }
  xr_device device;
  const int wrong = xr_open_device(command, &o->run, &device);
  if (wrong >= 0) return wrong;
  const bool cuda = device.backend == XR_CUDA;
  const int64_t batch = o->batch ? o->batch : o->small ? 2 : 64;
  xr_bench b = {.backend = device.backend,
                .compute = strcmp(o->precision, "bf16") == 0 ? XR_BF16 : XR_F32,
                .tf32 = strcmp(o->precision, "tf32") == 0,
                .small = o->small,
                .no_graph = o->run.no_graph,
                .sizes = o->small ? xr_bench_small_sizes(batch) : xr_bench_paper_sizes(batch),
                .repeats = o->repeats ? o->repeats
                           : o->small ? REPEATS_SMALL
                           : cuda     ? REPEATS_CUDA
                                      : REPEATS_CPU,
                .cache_bytes = xr_device_cache_bytes(device.backend),
                .table = o->json && strcmp(o->json, "-") == 0 ? stderr : stdout,
                .rows = json_array()};
  if (b.tf32 && !cuda) {
    json_decref(b.rows);
    return xr_usage_error(command, "--precision tf32 is for CUDA; the CPU computes in f32");
  }
  const int code = run(&b, o, count, names);
  json_decref(b.rows);
  return code;
}
