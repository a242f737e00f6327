/* The stopwatch, streams and measured ceilings, on every backend of this build. */
#include "host/graph/ceilings.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "host/base/memory.h"
#include "host/graph/stopwatch.h"

/* Runs `check` on the CPU and, where there is one, on a CUDA device or the emulator. */
static void on_all(void (*check)(xr_backend backend)) {
  xr_device device;
  check(XR_CPU);
  if (xr_device_open(&device, "cuda") == XR_OK) check(XR_CUDA);
}

/* ---- copies on a stream */
static void copy_odd_sizes(xr_backend backend) {
  const size_t sizes[] = {0, 1, 63, ((size_t)1 << 20) + 3, (size_t)3 << 20}, room = (size_t)3 << 20;
  unsigned char *from = xr_block_alloc(room), *to = xr_block_alloc(room);
  void *a, *b;
  xr_stream stream;
  cr_assert(xr_device_stream_new(backend, &stream) == XR_OK, "%s", xr_message());
  cr_assert_eq(stream == NULL, backend == XR_CPU);
  cr_assert(xr_device_alloc(backend, &a, room) == XR_OK && xr_device_alloc(backend, &b, room) == XR_OK, "%s", xr_message());
  for (size_t i = 0; i < room; i++) from[i] = (unsigned char)(i * 7 + i / 251);
  cr_assert_eq(xr_device_write(backend, a, from, room), XR_OK);
  for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
    cr_assert_eq(xr_device_zero(backend, b, room), XR_OK);
    cr_assert_eq(xr_device_copy(backend, b, a, sizes[k], stream), XR_OK);
    cr_assert_eq(xr_device_read(backend, to, b, room), XR_OK);
    cr_assert(memcmp(to, from, sizes[k]) == 0, "%zu bytes", sizes[k]);
    for (size_t i = sizes[k]; i < room; i++) cr_assert_eq(to[i], 0, "%zu bytes: byte %zu was written", sizes[k], i);
  }
  xr_device_free(backend, a);
  xr_device_free(backend, b);
  xr_device_stream_free(backend, stream);
  xr_block_free(from);
  xr_block_free(to);
}

Test(ceilings, a_copy_moves_its_bytes_and_no_other) { on_all(copy_odd_sizes); }

static void describe(xr_backend backend) {
  char name[64] = "", cut[3] = "??";
  xr_device_name(backend, name, sizeof name);
  cr_assert(*name, "no name");
  xr_device_name(backend, cut, sizeof cut);
  cr_assert(strncmp(cut, name, 2) == 0 && cut[2] == '\0', "'%s' of '%s'", cut, name);
  const size_t cache = xr_device_cache_bytes(backend);
  cr_assert(cache >= (size_t)1 << 16 && cache <= (size_t)1 << 34, "%zu bytes of cache", cache);
}

Test(ceilings, devices_have_a_name_and_a_cache) { on_all(describe); }

/* ---- the stopwatch */
typedef struct {
  xr_backend backend;
  void *from, *to;
  int calls;
  bool fails;
} work;

static xr_status queue_work(void *context, xr_stream stream) {
  work *w = context;
  w->calls++;
  if (w->fails) return xr_fail(XR_BAD_INPUT, "on purpose");
  if (w->backend == XR_CPU) nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
  return xr_device_copy(w->backend, w->to, w->from, sizeof(int), stream);
}

/* Five runs, each with other data: every run does the work anew, also when it is replayed. Returns how often the work was queued. */
static int run_five(xr_backend backend, bool no_graph) {
  work w = {.backend = backend};
  xr_stream stream;
  xr_stopwatch *watch;
  cr_assert(xr_device_stream_new(backend, &stream) == XR_OK, "%s", xr_message());
  cr_assert(xr_device_alloc(backend, &w.from, sizeof(int)) == XR_OK && xr_device_alloc(backend, &w.to, sizeof(int)) == XR_OK);
  cr_assert(xr_stopwatch_new(&watch, backend, stream, (xr_timed_work){queue_work, &w, no_graph}) == XR_OK, "%s", xr_message());
  for (int i = 0; i < 5; i++) {
    double seconds = -1;
    int value = 100 + i, got = 0;
    cr_assert_eq(xr_device_write(backend, w.from, &value, sizeof value), XR_OK);
    cr_assert(xr_stopwatch_run(watch, &seconds) == XR_OK, "%s", xr_message());
    cr_assert_eq(xr_device_read(backend, &got, w.to, sizeof got), XR_OK);
    cr_assert_eq(got, value, "run %d", i);
    cr_assert(backend == XR_CPU ? seconds >= 0.003 && seconds < 10 : seconds >= 0 && seconds < 10, "run %d took %g s", i, seconds);
  }
  xr_stopwatch_free(watch);
  xr_device_free(backend, w.from);
  xr_device_free(backend, w.to);
  xr_device_stream_free(backend, stream);
  return w.calls;
}

static void time_work(xr_backend backend) {
  cr_assert_eq(run_five(backend, false), backend == XR_CPU ? 5 : 2, "CUDA: queued once, captured once, then replayed");
  cr_assert_eq(run_five(backend, true), 5);
}

Test(ceilings, every_run_does_the_work) { on_all(time_work); }

static void fail_work(xr_backend backend) {
  work w = {.backend = backend, .fails = true};
  xr_stream stream;
  xr_stopwatch *watch;
  double seconds;
  cr_assert(xr_device_stream_new(backend, &stream) == XR_OK, "%s", xr_message());
  cr_assert(xr_stopwatch_new(&watch, backend, stream, (xr_timed_work){queue_work, &w, false}) == XR_OK, "%s", xr_message());
  cr_assert_eq(xr_stopwatch_run(watch, &seconds), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "on purpose"), "%s", xr_message());
  xr_stopwatch_free(watch);
  xr_device_stream_free(backend, stream);
}

Test(ceilings, work_that_fails_is_reported) { on_all(fail_work); }

/* ---- ceilings */
static void measure(xr_backend backend) {
  double bytes = 0;
  cr_assert(xr_measure_copies(backend, 0.001, &bytes) == XR_OK, "%s", xr_message());
  cr_assert(bytes > 1e7 && bytes < 1e14, "%g bytes a second", bytes);
  for (xr_product_kind kind = 0; kind < XR_PRODUCT_KINDS; kind++) {
    double flops = 0;
    if (kind == XR_PRODUCT_TF32 && backend == XR_CPU) continue;
    cr_assert(xr_measure_products(backend, kind, 0.001, &flops) == XR_OK, "%s", xr_message());
    cr_assert(flops > 1e7 && flops < 1e17, "%s: %g operations a second", xr_product_name(kind), flops);
  }
}

Test(ceilings, measurements_are_of_a_possible_size) { on_all(measure); }

Test(ceilings, tf32_is_for_f32_on_cuda) {
  const struct {
    xr_backend backend;
    xr_dtype compute;
    bool tf32;
    const char *name;
  } cases[] = {{XR_CPU, XR_F32, false, "f32"},  {XR_CPU, XR_F32, true, "f32"},    {XR_CUDA, XR_F32, false, "f32"},
               {XR_CUDA, XR_F32, true, "tf32"}, {XR_CUDA, XR_BF16, true, "bf16"}, {XR_CPU, XR_BF16, false, "bf16"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    cr_assert_str_eq(xr_product_name(xr_product_kind_of(cases[i].backend, cases[i].compute, cases[i].tf32)), cases[i].name, "case %zu", i);
}
