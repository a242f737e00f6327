#include "host/graph/ceilings.h"

#include <math.h>
#include <stdlib.h>

#include "host/base/memory.h"
#include "host/base/random.h"
#include "host/graph/stopwatch.h"
#include "kernels/linear/gemm.h"

enum { LEAST_SIDE = 512, MOST_SIDE_CPU = 2048, MOST_SIDE_CUDA = 8192, LEAST_RUNS = 3, MOST_RUNS = 50, PATTERN = 1 << 16 };
static const size_t LEAST_COPY = (size_t)64 << 20, MOST_COPY = (size_t)512 << 20;

const char *xr_product_name(xr_product_kind kind) {
  static const char *const names[] = {[XR_PRODUCT_F32] = "f32", [XR_PRODUCT_TF32] = "tf32", [XR_PRODUCT_BF16] = "bf16"};
  return names[kind];
}

xr_product_kind xr_product_kind_of(xr_backend backend, xr_dtype compute, bool tf32) {
  return compute == XR_BF16 ? XR_PRODUCT_BF16 : backend == XR_CUDA && tf32 ? XR_PRODUCT_TF32 : XR_PRODUCT_F32;
}

/* The least time of a run. */
static xr_status best_time(xr_backend backend, xr_timed_work work, double budget, double *best) {
  xr_stream stream = NULL;
  xr_stopwatch *watch = NULL;
  double spent = 0, seconds = 0;
  *best = INFINITY;
  xr_status status = xr_device_stream_new(backend, &stream);
  if (status == XR_OK) status = xr_stopwatch_new(&watch, backend, stream, work);
  if (status == XR_OK) status = xr_stopwatch_run(watch, &seconds); /* touches the memory, chooses an algorithm */
  for (int run = 0; status == XR_OK && run < MOST_RUNS && (run < LEAST_RUNS || spent < budget); run++) {
    status = xr_stopwatch_run(watch, &seconds);
    spent += seconds;
    *best = fmin(*best, seconds);
  }
  xr_stopwatch_free(watch);
  xr_device_stream_free(backend, stream);
  if (status == XR_OK && !(*best > 0)) return xr_fail(XR_DEVICE, "the clock stands still");
  return status;
}

/* ---- copies */
typedef struct {
  xr_backend backend;
  void *from, *to;
  size_t bytes;
} copies;

static xr_status queue_copy(void *context, xr_stream stream) {
  const copies *c = context;
  return xr_device_copy(c->backend, c->to, c->from, c->bytes, stream);
}

xr_status xr_measure_copies(xr_backend backend, double seconds, double *bytes_per_second) {
  const size_t wanted = 4 * xr_device_cache_bytes(backend);
  copies c = {.backend = backend, .bytes = wanted < LEAST_COPY ? LEAST_COPY : wanted > MOST_COPY ? MOST_COPY : wanted};
  double best = INFINITY;
  xr_status status = xr_device_alloc(backend, &c.from, c.bytes);
  if (status == XR_OK) status = xr_device_alloc(backend, &c.to, c.bytes);
  if (status == XR_OK) status = xr_device_zero(backend, c.from, c.bytes); /* untouched pages of the CPU are all the same one */
  if (status == XR_OK) status = best_time(backend, (xr_timed_work){queue_copy, &c, false}, seconds, &best);
  xr_device_free(backend, c.from);
  xr_device_free(backend, c.to);
  *bytes_per_second = 2.0 * (double)c.bytes / best;
  return status == XR_OK ? XR_OK : xr_fail_in(status, "measuring copies");
}

/* ---- products */
typedef struct {
  xr_backend backend;
  xr_gemm gemm;
  void *a, *b;
} products;

static xr_status queue_product(void *context, xr_stream stream) {
  const products *p = context;
  return XR_ON_BACKEND(p->backend, stream, xr_gemm, &p->gemm);
}

/* Uniform in [-1, 1), repeated every PATTERN elements. */
static xr_status fill(xr_backend backend, xr_dtype dtype, uint64_t key, char *to, int64_t elements) {
  const size_t size = xr_dtype_bytes(dtype);
  char *pattern = xr_block_alloc(PATTERN * size);
  if (!pattern) return XR_NO_MEMORY;
  for (int64_t i = 0; i < PATTERN; i++) {
    const float value = (float)(int32_t)xr_philox_at(key, 0, (uint64_t)i).word[0] * 0x1p-31f;
    if (dtype == XR_BF16)
      ((xr_bf16 *)pattern)[i] = xr_f32_to_bf16(value);
    else
      ((float *)pattern)[i] = value;
  }
  xr_status status = XR_OK;
  for (int64_t at = 0; at < elements && status == XR_OK; at += PATTERN)
    status = xr_device_write(backend, to + (size_t)at * size, pattern, (size_t)(elements - at < PATTERN ? elements - at : PATTERN) * size);
  xr_block_free(pattern);
  return status;
}

static xr_status make(products *p, xr_backend backend, xr_product_kind kind, int64_t side) {
  const xr_dtype dtype = kind == XR_PRODUCT_BF16 ? XR_BF16 : XR_F32;
  const size_t bytes = (size_t)(side * side) * xr_dtype_bytes(dtype);
  *p = (products){.backend = backend,
                  .gemm = {.m = side,
                           .n = side,
                           .k = side,
                           .transpose_b = true,
                           .dtype = dtype,
                           .c_dtype = dtype,
                           .lda = side,
                           .ldb = side,
                           .ldc = side,
                           .tf32 = kind == XR_PRODUCT_TF32}};
  XR_TRY(xr_device_alloc(backend, &p->a, bytes));
  XR_TRY(xr_device_alloc(backend, &p->b, bytes));
  XR_TRY(xr_device_alloc(backend, &p->gemm.c, bytes));
  if (xr_gemm_workspace(&p->gemm)) XR_TRY(xr_device_alloc(backend, &p->gemm.workspace, xr_gemm_workspace(&p->gemm)));
  p->gemm.a = p->a;
  p->gemm.b = p->b;
  XR_TRY(fill(backend, dtype, 1, p->a, side * side));
  return fill(backend, dtype, 2, p->b, side * side);
}

static xr_status time_products(xr_backend backend, xr_product_kind kind, int64_t side, double budget, double *best) {
  products p;
  xr_status status = make(&p, backend, kind, side);
  if (status == XR_OK) status = best_time(backend, (xr_timed_work){queue_product, &p, false}, budget, best);
  void *const blocks[] = {p.a, p.b, p.gemm.c, p.gemm.workspace};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) xr_device_free(backend, blocks[i]);
  return status;
}

xr_status xr_measure_products(xr_backend backend, xr_product_kind kind, double seconds, double *flops_per_second) {
  const int64_t most = backend == XR_CUDA ? MOST_SIDE_CUDA : MOST_SIDE_CPU;
  *flops_per_second = 0;
  for (int64_t side = LEAST_SIDE; side <= most; side *= 2) { /* a product of twice the side takes eight times as long */
    double best = INFINITY;
    xr_status status = time_products(backend, kind, side, seconds / 8, &best);
    if (status != XR_OK) return xr_fail_in(status, "measuring %s products", xr_product_name(kind));
    *flops_per_second = fmax(*flops_per_second, 2.0 * (double)side * (double)side * (double)side / best);
    if ((LEAST_RUNS + 1) * 8 * best > seconds) break;
  }
  return XR_OK;
}
