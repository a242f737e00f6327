#include "tests/kernels/check.h"

#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/base/random.h"
#include "host/io/safetensors.h"
#include "kernels/common/threads.h"
#ifdef XREID_CUDA
#include <cuda_runtime_api.h>
#endif
#ifdef XREID_EMU
#include "tests/emu/emu.h"
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

typedef enum { CPU, DEVICE } place;

enum { MAX_BUFFERS = 64, MAX_OPS = 256, GUARD_BYTES = 256, GUARD = 0xA7 };

typedef enum { INPUT, OUTPUT, WORKSPACE } buffer_role;

typedef struct {
  char name[32];
  buffer_role role;
  xr_dtype dtype;
  int64_t count;
  size_t bytes;
  unsigned char *memory; /* guard, data, guard: where the kernel runs */
  unsigned char *host;   /* the data: before the kernel what it was filled with, afterwards what is there */
  bool exact;
  double factor;
} buffer;

/* What a pass left: its outputs, in order. */
typedef struct {
  buffer buffers[MAX_BUFFERS];
  int count;
} outcome;

struct check_run {
  const check_op *op;
  const check_case *c;
  xr_dtype dtype;   /* of the case */
  xr_dtype storage; /* of this pass */
  uint64_t seed;
  place place;
  uint64_t nudge; /* not 0: inputs move by one unit in the last place, up or down as this says */
  xr_safetensors *golden;
  outcome now;
  char why[512]; /* what broke in this pass besides the kernel's status */
};

typedef struct {
  const char *backend, *filter, *golden;
  uint64_t seed, every;
  bool list;
} options;

static const check_op *all_ops[MAX_OPS];
static int op_count;

void check_register(const check_op *ops, int count) {
  for (int i = 0; i < count && op_count < MAX_OPS; i++) all_ops[op_count++] = &ops[i];
}

/* ---- memory of the run's device */

/* AddressSanitizer sees reads of guard bands too, where it sees the device's memory at all. */
#ifdef __SANITIZE_ADDRESS__
#define CLOSE(from, bytes) __asan_poison_memory_region((from), (bytes))
#define OPEN(from, bytes) __asan_unpoison_memory_region((from), (bytes))
#else
#define CLOSE(from, bytes) ((void)0)
#define OPEN(from, bytes) ((void)0)
#endif

static unsigned char *device_alloc(place p, size_t bytes) {
  void *memory = NULL;
#ifdef XREID_CUDA
  if (p == DEVICE) return cudaMalloc(&memory, bytes) == cudaSuccess ? memory : NULL;
#endif
  (void)p;
  return posix_memalign(&memory, 256, bytes) ? NULL : memory;
}

static void device_free(place p, void *memory) {
#ifdef XREID_CUDA
  if (p == DEVICE) {
    cudaFree(memory);
    return;
  }
#endif
  (void)p;
  free(memory);
}

static void upload(place p, void *to, const void *from, size_t bytes) {
#ifdef XREID_CUDA
  if (p == DEVICE) {
    cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice);
    return;
  }
#endif
  (void)p;
  memcpy(to, from, bytes);
}

static void download(place p, void *to, const void *from, size_t bytes) {
#ifdef XREID_CUDA
  if (p == DEVICE) {
    cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost);
    return;
  }
#endif
  (void)p;
  memcpy(to, from, bytes);
}

static void *allocate(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  if (!memory) {
    fprintf(stderr, "checkkernel: no memory\n");
    exit(1);
  }
  return memory;
}

/* ---- buffers */

static void complain(check_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void complain(check_run *run, const char *format, ...) {
  if (run->why[0]) return;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(run->why, sizeof run->why, format, arguments);
  va_end(arguments);
}

static buffer *find(outcome *o, const char *name) {
  for (int i = 0; i < o->count; i++)
    if (!strcmp(o->buffers[i].name, name)) return &o->buffers[i];
  return NULL;
}

static buffer *add(check_run *run, const char *name, buffer_role role, xr_dtype dtype, int64_t count) {
  if (run->now.count == MAX_BUFFERS || find(&run->now, name)) {
    fprintf(stderr, "checkkernel: %s: buffer %s is there twice, or is one too many\n", run->op->name, name);
    exit(1);
  }
  buffer *b = &run->now.buffers[run->now.count++];
  *b = (buffer){.role = role, .dtype = dtype, .count = count, .bytes = (size_t)count * xr_dtype_bytes(dtype), .factor = 1};
  snprintf(b->name, sizeof b->name, "%s", name);
  b->host = allocate(b->bytes);
  memset(b->host, 0xff, b->bytes);
  return b;
}

/* The buffer's memory where the kernel runs, with what `host` holds. */
static void *place_buffer(check_run *run, buffer *b) {
  const size_t total = GUARD_BYTES + b->bytes + GUARD_BYTES;
  unsigned char *image = allocate(total);
  memset(image, GUARD, total);
  memcpy(image + GUARD_BYTES, b->host, b->bytes);
  b->memory = device_alloc(run->place, total);
  if (!b->memory) {
    fprintf(stderr, "checkkernel: no memory on the device\n");
    exit(1);
  }
  upload(run->place, b->memory, image, total);
  free(image);
  CLOSE(b->memory, GUARD_BYTES);
  CLOSE(b->memory + GUARD_BYTES + b->bytes, GUARD_BYTES);
  return b->memory + GUARD_BYTES;
}

static float fill_value(xr_random *random, check_fill fill, float before) {
  const uint32_t kind = xr_random_below(random, 64);
  switch (fill) {
  case CHECK_NORMAL: {
    const float x = xr_random_normal(random);
    return kind < 4 ? 0 : kind < 6 ? before : kind < 7 ? 30 * x : x;
  }
  case CHECK_UNIT:
    return xr_random_uniform(random);
  case CHECK_POSITIVE:
    return 0.5f + xr_random_uniform(random);
  case CHECK_WHOLE:
    return (float)(int)xr_random_below(random, 9) - 4;
  case CHECK_ZERO:
    break;
  }
  return 0;
}

static void put(buffer *b, int64_t i, float value) {
  switch (b->dtype) {
  case XR_F32:
    ((float *)b->host)[i] = value;
    break;
  case XR_BF16:
    ((xr_bf16 *)b->host)[i] = xr_f32_to_bf16(value);
    break;
  case XR_F64:
    ((double *)b->host)[i] = (double)value;
    break;
  case XR_I32:
    ((int32_t *)b->host)[i] = (int32_t)value;
    break;
  case XR_I64:
    ((int64_t *)b->host)[i] = (int64_t)value;
    break;
  case XR_U8:
    b->host[i] = (uint8_t)value;
    break;
  default:
    fprintf(stderr, "checkkernel: dtype %s\n", xr_dtype_name(b->dtype));
    exit(1);
  }
}

/* values[i] as the case stores them: rounded where its dtype is bf16, moved where the pass asks for it. */
static void put_all(check_run *run, buffer *b, xr_dtype asked, const float *values) {
  const bool rounded = asked == run->storage && run->dtype == XR_BF16; /* the reference has the same inputs in f32 */
  xr_random direction = xr_random_start(xr_random_key(run->nudge, b->name), 1);
  for (int64_t i = 0; i < b->count; i++) {
    float v = values[i];
    if (rounded) v = xr_bf16_to_f32(xr_f32_to_bf16(v));
    if (run->nudge && b->dtype == XR_F32) v = nextafterf(v, xr_random_word(&direction) & 1 ? INFINITY : -INFINITY);
    put(b, i, v);
  }
}

/* The golden tensor of this buffer's name and size, or NULL. */
static const xr_stored_tensor *golden_of(const check_run *run, const char *name) {
  if (!run->golden) return NULL;
  char full[256];
  snprintf(full, sizeof full, "%s.%s", run->c->golden, name);
  return xr_safetensors_find(run->golden, full);
}

static void *filled(check_run *run, const char *name, buffer_role role, xr_dtype dtype, int64_t count, check_fill fill) {
  buffer *b = add(run, name, role, dtype, count);
  float *values = allocate((size_t)count * sizeof *values);
  const xr_stored_tensor *stored = role == INPUT ? golden_of(run, name) : NULL;
  if (stored && xr_stored_elements(stored) != count) {
    fprintf(stderr, "checkkernel: %s: golden tensor %s.%s has %lld elements, the case %lld\n", run->op->name, run->c->golden, name,
            (long long)xr_stored_elements(stored), (long long)count);
    exit(1);
  }
  if (stored) {
    xr_stored_to_f32(stored, values);
  } else {
    xr_random random = xr_random_start(xr_random_key(run->seed, name), 0);
    for (int64_t i = 0; i < count; i++) values[i] = fill_value(&random, fill, i ? values[i - 1] : 0);
  }
  put_all(run, b, dtype, values);
  free(values);
  return place_buffer(run, b);
}

int64_t check_size(const check_run *run, int i) { return run->c->size[i]; }
xr_dtype check_dtype(const check_run *run) { return run->storage; }
bool check_on_device(const check_run *run) { return run->place == DEVICE; }

xr_stream check_stream(const check_run *run) {
  (void)run;
  return NULL;
}

xr_status check_finish(check_run *run, xr_status launched) {
  (void)run;
#ifdef XREID_CUDA
  const cudaError_t error = cudaDeviceSynchronize();
  if (launched == XR_OK && error != cudaSuccess) return xr_fail(XR_DEVICE, "%s: %s", run->op->name, cudaGetErrorString(error));
#endif
  return launched;
}

void *check_in(check_run *run, const char *name, xr_dtype dtype, int64_t count, check_fill fill) {
  return filled(run, name, INPUT, dtype, count, fill);
}

void *check_inout(check_run *run, const char *name, xr_dtype dtype, int64_t count, check_fill fill) {
  return filled(run, name, OUTPUT, dtype, count, fill);
}

int32_t *check_in_ids(check_run *run, const char *name, int64_t count, int32_t low, int32_t high) {
  buffer *b = add(run, name, INPUT, XR_I32, count);
  const xr_stored_tensor *stored = golden_of(run, name);
  float *values = allocate((size_t)count * sizeof *values);
  if (stored && xr_stored_elements(stored) == count) {
    xr_stored_to_f32(stored, values);
    for (int64_t i = 0; i < count; i++) put(b, i, values[i]);
  } else {
    xr_random random = xr_random_start(xr_random_key(run->seed, name), 0);
    for (int64_t i = 0; i < count; i++) ((int32_t *)b->host)[i] = low + (int32_t)xr_random_below(&random, (uint32_t)(high - low));
  }
  free(values);
  return place_buffer(run, b);
}

void *check_in_bytes(check_run *run, const char *name, const void *bytes, size_t size) {
  buffer *b = add(run, name, INPUT, XR_U8, (int64_t)size);
  memcpy(b->host, bytes, size);
  return place_buffer(run, b);
}

void *check_in_values(check_run *run, const char *name, xr_dtype dtype, int64_t count, const float *values) {
  buffer *b = add(run, name, INPUT, dtype, count);
  put_all(run, b, dtype, values);
  return place_buffer(run, b);
}

void *check_out(check_run *run, const char *name, xr_dtype dtype, int64_t count) {
  return place_buffer(run, add(run, name, OUTPUT, dtype, count));
}

void *check_workspace(check_run *run, size_t bytes) {
  char name[32];
  snprintf(name, sizeof name, "workspace %d", run->now.count);
  return bytes ? place_buffer(run, add(run, name, WORKSPACE, XR_U8, (int64_t)bytes)) : NULL;
}

static buffer *named(check_run *run, const char *name) {
  buffer *b = find(&run->now, name);
  if (!b) {
    fprintf(stderr, "checkkernel: %s has no buffer %s\n", run->op->name, name);
    exit(1);
  }
  return b;
}

void check_exact(check_run *run, const char *name) { named(run, name)->exact = true; }
void check_factor(check_run *run, const char *name, double factor) { named(run, name)->factor = factor; }

/* ---- one pass */

static void check_guards(check_run *run, buffer *b, const unsigned char *image) {
  for (size_t i = 0; i < GUARD_BYTES; i++) {
    if (image[i] != GUARD) complain(run, "%s: written %zu bytes before it", b->name, GUARD_BYTES - i);
    if (image[GUARD_BYTES + b->bytes + i] != GUARD) complain(run, "%s: written %zu bytes past its end", b->name, i);
  }
  if (b->role == INPUT && memcmp(image + GUARD_BYTES, b->host, b->bytes)) complain(run, "%s: an input was written to", b->name);
}

static void release(outcome *o) {
  for (int i = 0; i < o->count; i++) free(o->buffers[i].host);
  o->count = 0;
}

/* Runs the case once; false and a printed reason when that alone fails. */
static bool pass(check_run *run, place p, xr_dtype storage, uint64_t nudge, outcome *left) {
  run->place = p;
  run->storage = storage;
  run->nudge = nudge;
  run->now.count = 0;
  run->why[0] = 0;
  const xr_status status = run->op->run(run);
  if (status != XR_OK) complain(run, "status %d: %s", (int)status, xr_message());
  for (int i = 0; i < run->now.count; i++) {
    buffer *b = &run->now.buffers[i];
    const size_t total = GUARD_BYTES + b->bytes + GUARD_BYTES;
    unsigned char *image = allocate(total);
    OPEN(b->memory, total);
    download(p, image, b->memory, total);
    check_guards(run, b, image);
    memcpy(b->host, image + GUARD_BYTES, b->bytes);
    free(image);
    device_free(p, b->memory);
    b->memory = NULL;
  }
  *left = run->now;
  return !run->why[0];
}

/* ---- comparison */

static double at(const buffer *b, int64_t i) {
  switch (b->dtype) {
  case XR_F32:
    return (double)((const float *)b->host)[i];
  case XR_BF16:
    return (double)xr_bf16_to_f32(((const xr_bf16 *)b->host)[i]);
  case XR_F64:
    return ((const double *)b->host)[i];
  case XR_I32:
    return (double)((const int32_t *)b->host)[i];
  case XR_I64:
    return (double)((const int64_t *)b->host)[i];
  default:
    return (double)b->host[i];
  }
}

/* The largest difference between two outputs, infinite where only one is finite or both differ in their NaN; *where is its place. */
static double distance(const buffer *a, const buffer *b, int64_t *where) {
  double worst = 0;
  for (int64_t i = 0; i < a->count; i++) {
    const double x = at(a, i), y = at(b, i);
    double d = fabs(x - y);
    if (x == y || (isnan(x) && isnan(y))) d = 0;
    if (isnan(d)) d = INFINITY;
    if (d > worst) {
      worst = d;
      *where = i;
    }
  }
  return worst;
}

static double largest(const buffer *b) {
  double most = 0;
  for (int64_t i = 0; i < b->count; i++)
    if (isfinite(at(b, i))) most = fmax(most, fabs(at(b, i)));
  return most;
}

/* The golden output as a buffer, and the naive program's error; false when there is none. */
static bool golden_truth(const check_run *run, const buffer *b, buffer *truth, double *naive) {
  const xr_stored_tensor *stored = golden_of(run, b->name);
  char error[64];
  snprintf(error, sizeof error, "%s.naive_%s", b->name, run->dtype == XR_F32 ? "f32" : "bf16");
  const xr_stored_tensor *measured = golden_of(run, error);
  if (!stored || !measured || stored->dtype != XR_F64 || xr_stored_elements(stored) != b->count) return false;
  *truth = *b;
  truth->dtype = XR_F64;
  truth->host = allocate((size_t)b->count * sizeof(double));
  memcpy(truth->host, stored->data, (size_t)b->count * sizeof(double));
  memcpy(naive, measured->data, sizeof *naive);
  return true;
}

typedef struct {
  outcome reference; /* f32 storage */
  outcome spread[2]; /* f32: with inputs that moved; bf16: the first is the CPU kernel on bf16 storage */
  int spread_count;
} truth;

static void compare(check_run *run, const buffer *got, truth *t) {
  const bool bf16 = run->dtype == XR_BF16;
  buffer *reference = find(&t->reference, got->name), golden = {0};
  double error = 0, naive = 0;
  int64_t where = 0;
  const bool has_golden = golden_truth(run, got, &golden, &naive);
  const buffer *expected = has_golden ? &golden : reference;
  if (!reference && !has_golden) {
    complain(run, "%s: the reference run has no such output", got->name);
    return;
  }
  const bool integer = got->dtype != XR_F32 && got->dtype != XR_BF16 && got->dtype != XR_F64;
  double allowed = 0;
  if (has_golden) {
    allowed = 2 * naive + largest(expected) * (bf16 ? 0x1p-8 : 0x1p-24);
  } else if (!integer && !got->exact) {
    int64_t ignored = 0;
    for (int i = 0; i < t->spread_count; i++) {
      const double d = distance(reference, find(&t->spread[i], got->name), &ignored);
      if (isfinite(d)) error = fmax(error, d);
    }
    allowed = got->factor * (bf16 ? 2 * error + largest(expected) * 0x1p-8 : 4 * error + largest(expected) * 0x1p-20);
  }
  const double off = distance(got, expected, &where);
  if (!(off <= allowed))
    complain(run, "%s[%lld] is %.9g, the truth%s is %.9g: off by %.3g, allowed is %.3g", got->name, (long long)where, at(got, where),
             has_golden ? " (golden)" : "", at(expected, where), off, allowed);
  free(golden.host);
}

static void compare_all(check_run *run, outcome *got, truth *t) {
  int outputs = 0;
  for (int i = 0; i < got->count; i++) {
    if (got->buffers[i].role != OUTPUT) continue;
    outputs++;
    compare(run, &got->buffers[i], t);
  }
  if (outputs == 0) complain(run, "the case has no output to check");
}

static void same_bytes(check_run *run, const outcome *first, const outcome *again, const char *difference) {
  for (int i = 0; i < first->count; i++) {
    const buffer *a = &first->buffers[i], *b = &again->buffers[i];
    if (a->role != OUTPUT || !memcmp(a->host, b->host, a->bytes)) continue;
    int64_t where = 0;
    distance(a, b, &where);
    complain(run, "%s[%lld] is %.9g, then %.9g: %s", a->name, (long long)where, at(a, where), at(b, where), difference);
  }
}

/* ---- cases */

static bool make_truth(check_run *run, truth *t) {
  if (!pass(run, CPU, XR_F32, 0, &t->reference)) return false;
  if (run->dtype == XR_BF16) return pass(run, CPU, XR_BF16, 0, &t->spread[t->spread_count++]);
  for (uint64_t nudge = 1; nudge <= 2; nudge++)
    if (!pass(run, CPU, XR_F32, nudge, &t->spread[t->spread_count++])) return false;
  return true;
}

/* Another thread order (emu) or number of threads (cpu) each time; nothing to vary on a device. */
static void vary(const options *o, int turn) {
#ifdef XREID_EMU
  if (!strcmp(o->backend, "emu")) emu_set_seed((uint64_t)turn);
#endif
  if (!strcmp(o->backend, "cpu")) xr_threads_set(turn);
}

static bool run_case(const options *o, check_run *run) {
  const place p = strcmp(o->backend, "cpu") ? DEVICE : CPU;
  truth t = {.spread_count = 0};
  outcome first = {.count = 0}, again = {.count = 0};
  bool ok = make_truth(run, &t);
  for (int turn = 1; ok && turn <= 3; turn++) {
    vary(o, turn);
    ok = pass(run, p, run->dtype, 0, turn == 1 ? &first : &again);
    if (ok && turn == 1) compare_all(run, &first, &t);
    if (ok && turn > 1) {
      same_bytes(run, &first, &again, p == CPU ? "with another number of threads" : "another run");
      release(&again);
    }
    ok = ok && !run->why[0];
  }
  release(&first);
  release(&again);
  release(&t.reference);
  for (int i = 0; i < t.spread_count; i++) release(&t.spread[i]);
  return ok;
}

/* "layernorm/bf16/5x64x3" */
static void name_case(const check_run *run, char *name, size_t size) {
  size_t used = (size_t)snprintf(name, size, "%s/%s/", run->op->name, xr_dtype_name(run->dtype));
  int sizes = 1;
  for (const char *c = run->op->sizes; *c; c++) sizes += *c == ' ';
  for (int i = 0; i < sizes && i < CHECK_SIZES && used < size; i++)
    used += (size_t)snprintf(name + used, size - used, "%s%lld", i ? "x" : "", (long long)run->c->size[i]);
}

static xr_status open_golden(const options *o, const check_op *op, xr_safetensors **file) {
  *file = NULL;
  if (!op->golden) return XR_OK;
  char path[4096];
  snprintf(path, sizeof path, "%s/%s.safetensors", o->golden, op->golden);
  return xr_safetensors_open(file, path);
}

typedef struct {
  int run, failed;
  uint64_t matched;
} tally;

static void run_op(const options *o, const check_op *op, tally *count) {
  xr_safetensors *golden;
  if (open_golden(o, op, &golden) != XR_OK) {
    printf("FAILED %s: %s\n", op->name, xr_message());
    count->failed++;
    return;
  }
  for (int i = 0; i < op->case_count; i++)
    for (int dtype = 0; dtype < XR_DTYPES; dtype++) {
      if (!(op->dtypes >> dtype & 1)) continue;
      check_run run = {.op = op, .c = &op->cases[i], .dtype = (xr_dtype)dtype, .seed = o->seed};
      run.golden = op->cases[i].golden ? golden : NULL;
      char name[256];
      name_case(&run, name, sizeof name);
      if (!strstr(name, o->filter) || count->matched++ % o->every) continue;
      count->run++;
      if (o->list) {
        printf("%s (%s)\n", name, op->sizes);
        continue;
      }
      if (run_case(o, &run)) continue;
      count->failed++;
      printf("FAILED %s (%s): %s\n  repeat with: checkkernel --backend %s --filter %s --seed %llu\n", name, op->sizes, run.why, o->backend,
             name, (unsigned long long)o->seed);
    }
  xr_safetensors_close(golden);
}

/* Why the backend cannot be used, or NULL. */
static const char *missing(const char *backend) {
  if (!strcmp(backend, "cpu")) return NULL;
#ifdef XREID_CUDA
#ifdef XREID_EMU
  return strcmp(backend, "emu") ? "this build emulates CUDA (preset emu)" : NULL;
#else
  if (strcmp(backend, "cuda")) return "this build is for CUDA devices; the emulator is preset emu";
  int devices = 0;
  return cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0 ? "no CUDA device" : NULL;
#endif
#else
  return "this build is for the CPU alone (presets emu and cuda)";
#endif
}

static int usage(void) {
  fprintf(stderr, "usage: checkkernel [--backend cpu|emu|cuda] [--filter TEXT] [--every N] [--seed N] [--golden DIR] [--list]\n");
  return 2;
}

int main(int argc, char **argv) {
  options o = {.backend = "cpu", .filter = "", .golden = XREID_TEST_FOLDER "/golden", .seed = 1, .every = 1};
  static const struct option names[] = {{"backend", required_argument, NULL, 'b'},
                                        {"filter", required_argument, NULL, 'f'},
                                        {"every", required_argument, NULL, 'e'},
                                        {"golden", required_argument, NULL, 'g'},
                                        {"seed", required_argument, NULL, 's'},
                                        {"list", no_argument, NULL, 'l'},
                                        {NULL, 0, NULL, 0}};
  for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    if (option == 'b')
      o.backend = optarg;
    else if (option == 'f')
      o.filter = optarg;
    else if (option == 'e')
      o.every = strtoull(optarg, NULL, 10);
    else if (option == 'g')
      o.golden = optarg;
    else if (option == 's')
      o.seed = strtoull(optarg, NULL, 10);
    else if (option == 'l')
      o.list = true;
    else
      return usage();
  }
  if (optind < argc || !o.every || (strcmp(o.backend, "cpu") && strcmp(o.backend, "emu") && strcmp(o.backend, "cuda"))) return usage();
  const char *why = missing(o.backend);
  if (why) {
    printf("skipped: %s\n", why);
    return 77;
  }
  tally count = {0};
  for (int i = 0; i < op_count; i++) run_op(&o, all_ops[i], &count);
  if (o.list) return 0;
  if (count.run == 0) printf("no case matches %s\n", o.filter);
  printf("%s, seed %llu: %d cases, %d failed\n", o.backend, (unsigned long long)o.seed, count.run, count.failed);
  return count.failed || count.run == 0;
}
