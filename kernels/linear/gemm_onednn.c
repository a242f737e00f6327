#include "kernels/linear/gemm_onednn.h"

#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/common/threads.h"
#include "kernels/linear/gemm.h"

#if DNNL_CPU_RUNTIME != DNNL_RUNTIME_OMP && DNNL_CPU_RUNTIME != DNNL_RUNTIME_SEQ
#error "oneDNN was built with another threading runtime than OpenMP; install the OpenMP build (Debian and Ubuntu: libdnnl-dev)"
#endif

/* Versions 2 and 3 differ in whether a descriptor is a value or a handle. */
#if DNNL_VERSION_MAJOR >= 3
#define REFERENCE(descriptor) (descriptor)
#else
#define REFERENCE(descriptor) (&(descriptor))
#endif

enum { CAPACITY = 256 };

struct xr_gemm_primitive {
  xr_gemm_shape shape;
  bool used;          /* this place of the table holds a shape */
  int held;           /* callers between hold and release */
  uint64_t last_hold; /* the clock then */
  dnnl_engine_t engine;
  dnnl_memory_desc_t a, b, c;
  dnnl_primitive_desc_t description;
  dnnl_primitive_t primitive; /* NULL: not supported on this processor */
  size_t workspace;
};

static struct {
  pthread_mutex_t lock;
  uint64_t clock;
  xr_gemm_primitive place[CAPACITY];
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static dnnl_status_t describe(dnnl_memory_desc_t *out, int64_t rows, int64_t cols, int64_t ld, bool transposed, dnnl_data_type_t type) {
  const dnnl_dims_t dims = {rows, cols}, strides = {transposed ? 1 : ld, transposed ? ld : 1};
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_memory_desc_create_with_strides(out, 2, dims, type, strides);
#else
  return dnnl_memory_desc_init_by_strides(out, 2, dims, type, strides);
#endif
}

static dnnl_status_t make_description(xr_gemm_primitive *p, dnnl_primitive_attr_t attributes) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_matmul_primitive_desc_create(&p->description, p->engine, p->a, p->b, NULL, p->c, attributes);
#else
  dnnl_matmul_desc_t matmul;
  dnnl_status_t status = dnnl_matmul_desc_init(&matmul, &p->a, &p->b, NULL, &p->c);
  return status == dnnl_success ? dnnl_primitive_desc_create(&p->description, &matmul, attributes, p->engine, NULL) : status;
#endif
}

/* The scratchpad is ours: a primitive's own belongs to the thread that made it. */
static dnnl_status_t make_matmul(xr_gemm_primitive *p) {
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_status_t status = dnnl_primitive_attr_create(&attributes);
  if (status == dnnl_success) status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
  if (status == dnnl_success) status = make_description(p, attributes);
  dnnl_primitive_attr_destroy(attributes);
  if (status != dnnl_success) return status;
  const char *implementation = "";
  dnnl_primitive_desc_query(p->description, dnnl_query_impl_info_str, 0, &implementation);
  if (strncmp(implementation, "ref", 3) == 0) return dnnl_unimplemented; /* the reference loops: our f32 detour is far faster */
  p->workspace = dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(p->description, dnnl_query_scratchpad_md, 0));
  return dnnl_primitive_create(&p->primitive, p->description);
}

static dnnl_status_t make(xr_gemm_primitive *p) {
  const xr_gemm_shape *s = &p->shape;
  dnnl_status_t status = dnnl_engine_create(&p->engine, dnnl_cpu, 0);
  if (status == dnnl_success) status = describe(&p->a, s->m, s->k, s->lda, s->transpose_a, dnnl_bf16);
  if (status == dnnl_success) status = describe(&p->b, s->k, s->n, s->ldb, s->transpose_b, dnnl_bf16);
  if (status == dnnl_success) status = describe(&p->c, s->m, s->n, s->ldc, false, dnnl_f32);
  return status == dnnl_success ? make_matmul(p) : status;
}

static void destroy(xr_gemm_primitive *p) {
  if (p->primitive) dnnl_primitive_destroy(p->primitive);
  if (p->description) dnnl_primitive_desc_destroy(p->description);
#if DNNL_VERSION_MAJOR >= 3
  if (p->a) dnnl_memory_desc_destroy(p->a);
  if (p->b) dnnl_memory_desc_destroy(p->b);
  if (p->c) dnnl_memory_desc_destroy(p->c);
#endif
  if (p->engine) dnnl_engine_destroy(p->engine);
  *p = (xr_gemm_primitive){0};
}

/* The shape's place, or the place to make it in (a free one, else the one longest unused); NULL when all are held. */
static xr_gemm_primitive *find_place(const xr_gemm_shape *shape) {
  xr_gemm_primitive *best = NULL;
  for (int i = 0; i < CAPACITY; i++) {
    xr_gemm_primitive *p = &cache.place[i];
    if (p->used && memcmp(&p->shape, shape, sizeof *shape) == 0) return p;
    if (!p->held && (!best || p->last_hold < best->last_hold)) best = p; /* a free place has last_hold 0 */
  }
  return best;
}

static xr_status hold_locked(const xr_gemm_shape *shape, xr_gemm_primitive **out) {
  xr_gemm_primitive *p = find_place(shape);
  if (!p) return xr_fail(XR_NO_MEMORY, "gemm: more than %d bf16 products at one time", CAPACITY);
  if (!p->used || memcmp(&p->shape, shape, sizeof *shape) != 0) {
    destroy(p);
    p->shape = *shape;
    const int held = xr_threads_hold(); /* a primitive splits its work for the threads that are there when it is made */
    const dnnl_status_t status = make(p);
    xr_threads_release(held);
    if (status != dnnl_success && status != dnnl_unimplemented) {
      destroy(p);
      return xr_fail(XR_NO_MEMORY, "gemm: oneDNN could not make a product of [%lld, %lld] and [%lld, %lld] (status %d)",
                     (long long)shape->m, (long long)shape->k, (long long)shape->k, (long long)shape->n, (int)status);
    }
    p->used = true;
  }
  p->last_hold = ++cache.clock;
  if (p->primitive) p->held++;
  *out = p->primitive ? p : NULL;
  return XR_OK;
}

xr_status xr_gemm_primitive_hold(const xr_gemm_shape *shape, xr_gemm_primitive **out) {
  *out = NULL;
  pthread_mutex_lock(&cache.lock);
  const xr_status status = hold_locked(shape, out);
  pthread_mutex_unlock(&cache.lock);
  return status;
}

void xr_gemm_primitive_release(xr_gemm_primitive *primitive) {
  if (!primitive) return;
  pthread_mutex_lock(&cache.lock);
  primitive->held--;
  pthread_mutex_unlock(&cache.lock);
}

void xr_gemm_cache_clear(void) {
  pthread_mutex_lock(&cache.lock);
  for (int i = 0; i < CAPACITY; i++) {
    if (cache.place[i].used && !cache.place[i].held) destroy(&cache.place[i]);
  }
  pthread_mutex_unlock(&cache.lock);
}

size_t xr_gemm_primitive_workspace(const xr_gemm_primitive *primitive) { return primitive->workspace; }

bool xr_gemm_primitive_run(const xr_gemm_primitive *primitive, const void *a, const void *b, float *c, void *workspace) {
  dnnl_stream_t stream = NULL;
  dnnl_memory_t memory[4] = {NULL, NULL, NULL, NULL};
  const xr_gemm_primitive *p = primitive;
  bool ok = dnnl_stream_create(&stream, p->engine, dnnl_stream_default_flags) == dnnl_success;
  ok = ok && dnnl_memory_create(&memory[0], REFERENCE(p->a), p->engine, (void *)(uintptr_t)a) == dnnl_success;
  ok = ok && dnnl_memory_create(&memory[1], REFERENCE(p->b), p->engine, (void *)(uintptr_t)b) == dnnl_success;
  ok = ok && dnnl_memory_create(&memory[2], REFERENCE(p->c), p->engine, c) == dnnl_success;
  ok = ok && dnnl_memory_create(&memory[3], dnnl_primitive_desc_query_md(p->description, dnnl_query_scratchpad_md, 0), p->engine,
                                workspace) == dnnl_success;
  const dnnl_exec_arg_t arguments[] = {
      {DNNL_ARG_SRC, memory[0]}, {DNNL_ARG_WEIGHTS, memory[1]}, {DNNL_ARG_DST, memory[2]}, {DNNL_ARG_SCRATCHPAD, memory[3]}};
  const int held = xr_threads_hold();
  ok = ok && dnnl_primitive_execute(p->primitive, stream, 4, arguments) == dnnl_success;
  ok = ok && dnnl_stream_wait(stream) == dnnl_success;
  xr_threads_release(held);
  for (int i = 0; i < 4; i++) {
    if (memory[i]) dnnl_memory_destroy(memory[i]);
  }
  if (stream) dnnl_stream_destroy(stream);
  return ok;
}

bool xr_sgemm_serial(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                     const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
  const int held = xr_threads_hold();
  const dnnl_status_t status = dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  xr_threads_release(held);
  return status == dnnl_success;
}
