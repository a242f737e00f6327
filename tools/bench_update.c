/* What a step does with all parameters at once, over arrays of the model's size. */
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/random.h"
#include "host/graph/stopwatch.h"
#include "kernels/optimizer/adam.h"
#include "kernels/optimizer/global_norm.h"
#include "tools/bench.h"

enum { ARRAYS = 4, PATTERN = 1 << 16 };

typedef struct {
  xr_backend backend;
  int64_t count;
  int rounds;
  float *array[ARRAYS]; /* parameters, gradients, moments */
  xr_bf16 *compute;     /* NULL: computed in f32 */
  xr_segment *segment;
  xr_chunk *chunk;
  xr_optimizer_step *step;
  struct {
    float norm, factor;
    int32_t first_bad;
  } * norm;
  double *workspace;
  xr_segment_table table;
} arrays;

static xr_global_norm norm_of(const arrays *a) {
  return (xr_global_norm){.table = a->table,
                          .gradient = a->array[1],
                          .norm = &a->norm->norm,
                          .factor = &a->norm->factor,
                          .first_bad = &a->norm->first_bad,
                          .workspace = a->workspace};
}

static xr_status queue_norm(void *context, xr_stream stream) {
  const arrays *a = context;
  const xr_global_norm k = norm_of(a);
  for (int i = 0; i < a->rounds; i++) XR_TRY(XR_ON_BACKEND(a->backend, stream, xr_global_norm, &k));
  return XR_OK;
}

static xr_status queue_adam(void *context, xr_stream stream) {
  const arrays *a = context;
  const xr_adam k = {.table = a->table,
                     .beta1 = 0.9,
                     .beta2 = 0.999,
                     .step = a->step,
                     .parameter = a->array[0],
                     .gradient = a->array[1],
                     .first_moment = a->array[2],
                     .second_moment = a->array[3],
                     .compute = a->compute};
  for (int i = 0; i < a->rounds; i++) XR_TRY(XR_ON_BACKEND(a->backend, stream, xr_adam, &k));
  return XR_OK;
}

/* ---- memory */
static xr_status place(xr_backend backend, void *to, const void *from, size_t bytes) {
  void *memory = NULL;
  XR_TRY(xr_device_alloc(backend, &memory, bytes));
  memcpy(to, &memory, sizeof memory);
  return from ? xr_device_write(backend, memory, from, bytes) : xr_device_zero(backend, memory, bytes);
}

/* Gradients about as long as real ones; parameters and moments start at 0. */
static xr_status fill_gradient(const arrays *a) {
  float *pattern = xr_block_alloc(PATTERN * sizeof *pattern);
  xr_status status = pattern ? XR_OK : XR_NO_MEMORY;
  for (int64_t i = 0; status == XR_OK && i < PATTERN; i++) pattern[i] = (float)(int32_t)xr_philox_at(1, 0, (uint64_t)i).word[0] * 0x1p-41f;
  for (int64_t at = 0; at < a->count && status == XR_OK; at += PATTERN)
    status = xr_device_write(a->backend, a->array[1] + at, pattern,
                             (size_t)(a->count - at < PATTERN ? a->count - at : PATTERN) * sizeof *pattern);
  xr_block_free(pattern);
  return status;
}

static xr_status make_table(arrays *a) {
  const xr_segment one = {.count = a->count, .compute_offset = a->compute ? 0 : -1, .lr_factor = 1, .weight_decay = 4e-5f, .eps = 1e-3f};
  int64_t chunks;
  XR_TRY(xr_count_chunks(&one, 1, &chunks));
  xr_chunk *cut = calloc((size_t)chunks + 1, sizeof *cut);
  if (!cut) return xr_fail(XR_NO_MEMORY, "out of memory");
  xr_cut_segments(&one, 1, cut);
  xr_status status = place(a->backend, &a->segment, &one, sizeof one);
  if (status == XR_OK) status = place(a->backend, &a->chunk, cut, (size_t)chunks * sizeof *cut);
  free(cut);
  a->table = (xr_segment_table){.segment = a->segment, .chunk = a->chunk, .segments = 1, .chunks = chunks};
  return status;
}

static xr_status make(const xr_bench *b, bool all, arrays *a) {
  const xr_optimizer_step step = {.lr = 1e-5f, .gradient_scale = 1, .step = 1};
  const size_t bytes = (size_t)a->count * sizeof(float);
  for (int i = all ? 0 : 1; i < (all ? ARRAYS : 2); i++) XR_TRY(place(b->backend, &a->array[i], NULL, bytes));
  if (all && b->compute == XR_BF16) XR_TRY(place(b->backend, &a->compute, NULL, (size_t)a->count * sizeof *a->compute));
  XR_TRY(make_table(a));
  XR_TRY(place(b->backend, &a->step, &step, sizeof step));
  XR_TRY(place(b->backend, &a->norm, NULL, sizeof *a->norm));
  const xr_global_norm norm = norm_of(a);
  XR_TRY(place(b->backend, &a->workspace, NULL, xr_global_norm_workspace(&norm)));
  return fill_gradient(a);
}

static void drop(arrays *a) {
  void *const blocks[] = {a->array[0], a->array[1], a->array[2], a->array[3], a->compute,
                          a->segment,  a->chunk,    a->step,     a->norm,     a->workspace};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) xr_device_free(a->backend, blocks[i]);
}

/* ---- time */
static xr_status time_update(const xr_bench *b, xr_timed_work work, int rounds, double *seconds) {
  xr_stopwatch *watch;
  XR_TRY(xr_stopwatch_new(&watch, b->backend, b->stream, work));
  xr_status status = XR_OK;
  for (int64_t i = -2; i < b->repeats && status == XR_OK; i++) {
    double all = 0;
    status = xr_stopwatch_run(watch, &all);
    if (i >= 0) seconds[i] = all / rounds;
  }
  xr_stopwatch_free(watch);
  return status;
}

xr_status xr_bench_update(const xr_bench *b, const char *name) {
  static double seconds[XR_BENCH_MAX_REPEATS];
  const bool adam = strcmp(name, "adam") == 0;
  arrays a = {.backend = b->backend, .count = b->sizes.parameters};
  /* Adam reads four arrays and writes three, and the copies in bf16. */
  const double each = !adam ? 4 : b->compute == XR_BF16 ? 30 : 28, bytes = each * (double)a.count;
  const xr_bench_rotation rotation = xr_bench_rotation_of(b, bytes, 1);
  char shape[32];
  a.rounds = rotation.rounds;
  snprintf(shape, sizeof shape, "[%lld]", (long long)a.count);
  xr_status status = make(b, adam, &a);
  if (status == XR_OK) status = time_update(b, (xr_timed_work){adam ? queue_adam : queue_norm, &a, b->no_graph}, a.rounds, seconds);
  if (status == XR_OK)
    xr_bench_report(b, &(xr_bench_row){.name = name,
                                       .pass = "step",
                                       .shape = shape,
                                       .note = "",
                                       .bytes = bytes,
                                       .rotation = rotation,
                                       .seconds = xr_bench_spread_of(seconds, b->repeats)});
  drop(&a);
  return status == XR_OK ? XR_OK : xr_fail_in(status, "%s", name);
}
