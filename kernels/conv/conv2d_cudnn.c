/* The products of a convolution through cuDNN's graph interface. The library's axes are [B or O, C, H, W]; strides say that channels are
 * last.
 *
 * A gradient is asked for in steps, until an engine is found: added to or written by the library where it lies, in its dtype; made in the
 * workspace and added from there; and dweight of bf16 operands made in the workspace in bf16. */
#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/conv/conv2d_parts.h"
#include "kernels/elementwise/cast.h"

enum {
  LIBRARY_BYTES = 64 << 20, /* of workspace; f32 gets more, since the library may change the order of the maps first */
  MOST_DESCRIPTORS = 64,
  MOST_CHOICES = 32, /* engines asked for at a time */
  TENSORS = 3
};

/* Everything that the choice of an engine depends on. Compared as bytes: made in zeroed memory. */
typedef struct {
  int64_t part, batch, height, width, in, out, kernel_height, kernel_width, stride, pad;
  int64_t dtype, accumulate, tf32, alignment, device;
} shape;

/* What the library is asked for. */
typedef struct {
  xr_dtype result_dtype;
  bool staged; /* the result is made in the workspace */
} attempt;

typedef struct plan {
  struct plan *next;
  shape shape;
  attempt attempt;
  cudnnBackendDescriptor_t made[MOST_DESCRIPTORS]; /* to be destroyed with it, last made first */
  int count;
  cudnnBackendDescriptor_t execution;
  int64_t workspace;
  cudnnStatus_t status; /* of the first call that failed */
} plan;

typedef struct handle {
  struct handle *next;
  int device;
  cudnnHandle_t cudnn;
} handle;

static struct {
  pthread_mutex_t lock;
  plan *plans;
  handle *handles;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- sizes */
static size_t aligned(size_t bytes) { return (bytes + 255) / 256 * 256; }
static int64_t x_elements(const xr_conv2d *a) { return a->batch * a->height * a->width * a->in; }
static int64_t y_elements(const xr_conv2d *a) { return a->batch * xr_conv2d_out_height(a) * xr_conv2d_out_width(a) * a->out; }

static int64_t result_elements(const xr_conv2d *a, xr_conv_part part) {
  if (part == XR_CONV_FORWARD) return y_elements(a);
  return part == XR_CONV_DX ? x_elements(a) : xr_conv2d_weight_elements(a);
}

static bool accumulates(const xr_conv2d *a, xr_conv_part part) {
  if (part == XR_CONV_FORWARD) return false;
  return part == XR_CONV_DX ? a->accumulate_dx : a->accumulate_dweight;
}

static size_t library_bytes(const xr_conv2d *a) {
  if (a->dtype != XR_F32) return LIBRARY_BYTES;
  return LIBRARY_BYTES + (size_t)(x_elements(a) + y_elements(a) + xr_conv2d_weight_elements(a)) * sizeof(float);
}

/* Before the library's own. */
static size_t staged_bytes(const xr_conv2d *a, xr_conv_part part) {
  if (part == XR_CONV_FORWARD || (part == XR_CONV_DX && !a->accumulate_dx)) return 0;
  return aligned((size_t)result_elements(a, part) * (part == XR_CONV_DX ? xr_dtype_bytes(a->dtype) : sizeof(float)));
}

size_t xr_conv2d_product_workspace_cuda(const xr_conv2d *a, xr_conv_part part) { return staged_bytes(a, part) + library_bytes(a); }

/* ---- descriptors. The first failure sticks in p->status; later calls do nothing. */
static cudnnBackendDescriptor_t create(plan *p, cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t made = NULL;
  if (p->count == MOST_DESCRIPTORS) p->status = CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
  if (p->status == CUDNN_STATUS_SUCCESS) p->status = cudnnBackendCreateDescriptor(type, &made);
  if (p->status == CUDNN_STATUS_SUCCESS) p->made[p->count++] = made;
  return made;
}

static void set(plan *p, cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                const void *values) {
  if (p->status == CUDNN_STATUS_SUCCESS) p->status = cudnnBackendSetAttribute(d, name, type, count, values);
}

static void finish(plan *p, cudnnBackendDescriptor_t d) {
  if (p->status == CUDNN_STATUS_SUCCESS) p->status = cudnnBackendFinalize(d);
}

/* Destroys what was made after the first `keep`. */
static void destroy_from(plan *p, int keep) {
  while (p->count > keep) cudnnBackendDestroyDescriptor(p->made[--p->count]);
}

static cudnnBackendDescriptor_t tensor(plan *p, int64_t id, xr_dtype dtype, int64_t first, int64_t channels, int64_t height,
                                       int64_t width) {
  const cudnnDataType_t type = dtype == XR_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  const int64_t dims[] = {first, channels, height, width}, strides[] = {height * width * channels, 1, width * channels, channels};
  cudnnBackendDescriptor_t d = create(p, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  set(p, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
  set(p, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
  set(p, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims);
  set(p, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
  set(p, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &p->shape.alignment);
  finish(p, d);
  return d;
}

static cudnnBackendDescriptor_t convolution(plan *p) {
  const shape *s = &p->shape;
  const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const int64_t axes = 2, dilations[] = {1, 1}, strides[] = {s->stride, s->stride}, pads[] = {s->pad, s->pad};
  cudnnBackendDescriptor_t d = create(p, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  set(p, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
  set(p, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  set(p, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &axes);
  set(p, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilations);
  set(p, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides);
  set(p, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
  set(p, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, pads);
  finish(p, d);
  return d;
}

/* The names of the same things in the three operations. */
static const struct {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, x, weight, y, alpha, beta;
} operations[XR_CONV_PARTS] = {
    [XR_CONV_FORWARD] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    [XR_CONV_DX] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    [XR_CONV_DWEIGHT] = {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

/* Tensors 1, 2 and 3 are x, weight and y, or their gradients. */
static cudnnBackendDescriptor_t operation(plan *p) {
  const shape *s = &p->shape;
  const int64_t height = (s->height + 2 * s->pad - s->kernel_height) / s->stride + 1;
  const int64_t width = (s->width + 2 * s->pad - s->kernel_width) / s->stride + 1;
  const xr_dtype result = p->attempt.result_dtype, operand = (xr_dtype)s->dtype;
  const float alpha = 1, beta = s->accumulate && !p->attempt.staged ? 1 : 0;
  cudnnBackendDescriptor_t x = tensor(p, 1, s->part == XR_CONV_DX ? result : operand, s->batch, s->in, s->height, s->width);
  cudnnBackendDescriptor_t weight = tensor(p, 2, s->part == XR_CONV_DWEIGHT ? result : operand, s->out, s->in, s->kernel_height,
                                           s->kernel_width);
  cudnnBackendDescriptor_t y = tensor(p, 3, s->part == XR_CONV_FORWARD ? result : operand, s->batch, s->out, height, width);
  cudnnBackendDescriptor_t c = convolution(p), d = create(p, operations[s->part].type);
  set(p, d, operations[s->part].convolution, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &c);
  set(p, d, operations[s->part].x, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &x);
  set(p, d, operations[s->part].weight, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &weight);
  set(p, d, operations[s->part].y, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &y);
  set(p, d, operations[s->part].alpha, CUDNN_TYPE_FLOAT, 1, &alpha);
  set(p, d, operations[s->part].beta, CUDNN_TYPE_FLOAT, 1, &beta);
  finish(p, d);
  return d;
}

static cudnnBackendDescriptor_t graph(plan *p, cudnnHandle_t cudnn) {
  cudnnBackendDescriptor_t op = operation(p), d = create(p, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  set(p, d, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &op);
  set(p, d, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &cudnn);
  finish(p, d);
  return d;
}

/* ---- choosing an engine */
/* Deterministic, with sums in f32, and with products of f32 in what was asked for. */
static bool allowed(const shape *s, cudnnBackendDescriptor_t engine) {
  cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
  int64_t count = 0;
  if (cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count,
                               notes) != CUDNN_STATUS_SUCCESS)
    return false;
  for (int64_t i = 0; i < count; i++) {
    switch (notes[i]) {
    case CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP:
      break;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
      if (s->dtype == XR_F32 && !s->tf32) return false;
      break;
    default: /* atomics, short sums, transforms, narrower operands, and what a newer version may say */
      return false;
    }
  }
  return true;
}

/* An execution plan of one engine that fits; else what was made for it is destroyed. */
static bool take(plan *p, cudnnHandle_t cudnn, cudnnBackendDescriptor_t choice, int64_t most_bytes) {
  const int keep = p->count;
  int64_t count = 0;
  cudnnBackendDescriptor_t engine = create(p, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  bool ok = p->status == CUDNN_STATUS_SUCCESS &&
            cudnnBackendGetAttribute(choice, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine) ==
                CUDNN_STATUS_SUCCESS &&
            allowed(&p->shape, engine);
  if (ok) {
    cudnnBackendDescriptor_t d = create(p, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    set(p, d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &cudnn);
    set(p, d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &choice);
    finish(p, d);
    ok = p->status == CUDNN_STATUS_SUCCESS && cudnnBackendGetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                                                                       &count, &p->workspace) == CUDNN_STATUS_SUCCESS;
    ok = ok && p->workspace <= most_bytes;
    p->execution = ok ? d : NULL;
  }
  if (!ok) destroy_from(p, keep);
  p->status = CUDNN_STATUS_SUCCESS; /* the next engine may do */
  return ok;
}

/* The first engine of the library's own ranking that is allowed and fits. */
static bool choose(plan *p, cudnnHandle_t cudnn, cudnnBackendDescriptor_t operation_graph, cudnnBackendHeurMode_t mode,
                   int64_t most_bytes) {
  cudnnBackendDescriptor_t ranking = create(p, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR), choices[MOST_CHOICES];
  int64_t count = 0;
  set(p, ranking, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &operation_graph);
  set(p, ranking, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  finish(p, ranking);
  for (int i = 0; i < MOST_CHOICES; i++) choices[i] = create(p, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  if (p->status == CUDNN_STATUS_SUCCESS)
    p->status = cudnnBackendGetAttribute(ranking, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, MOST_CHOICES, &count,
                                         choices);
  for (int64_t i = 0; p->status == CUDNN_STATUS_SUCCESS && i < count; i++)
    if (take(p, cudnn, choices[i], most_bytes)) return true;
  return false;
}

/* p->execution is NULL when there is none. */
static void try_attempt(plan *p, cudnnHandle_t cudnn, int64_t most_bytes) {
  const cudnnBackendHeurMode_t modes[] = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
  for (size_t i = 0; !p->execution && i < sizeof modes / sizeof *modes; i++) {
    destroy_from(p, 0);
    p->status = CUDNN_STATUS_SUCCESS;
    cudnnBackendDescriptor_t operation_graph = graph(p, cudnn);
    choose(p, cudnn, operation_graph, modes[i], most_bytes);
  }
}

static void destroy(plan *p) {
  destroy_from(p, 0);
  free(p);
}

static xr_status make_plan(const xr_conv2d *a, const shape *s, cudnnHandle_t cudnn, plan **out) {
  const xr_dtype own = s->part == XR_CONV_DWEIGHT ? XR_F32 : a->dtype;
  const attempt attempts[] = {{own, false}, {own, true}, {XR_BF16, true}};
  const bool sensible[] = {true, s->accumulate, s->part == XR_CONV_DWEIGHT && a->dtype == XR_BF16};
  plan *p = calloc(1, sizeof *p);
  if (!p) return xr_fail(XR_NO_MEMORY, "out of memory");
  p->shape = *s;
  for (size_t i = 0; !p->execution && i < sizeof attempts / sizeof *attempts; i++) {
    p->attempt = attempts[i];
    if (sensible[i]) try_attempt(p, cudnn, (int64_t)library_bytes(a));
  }
  *out = p;
  if (p->execution) return XR_OK;
  const cudnnStatus_t status = p->status == CUDNN_STATUS_SUCCESS ? CUDNN_STATUS_NOT_SUPPORTED : p->status;
  *out = NULL;
  destroy(p);
  static const char *const names[XR_CONV_PARTS] = {"forward", "dx", "dweight"};
  return xr_fail(XR_DEVICE,
                 "cuDNN has no deterministic engine for conv2d %s of %s [%lld, %lld, %lld, %lld] by %lld kernels of %lld x %lld "
                 "within %zu MiB of workspace: %s",
                 names[s->part], xr_dtype_name(a->dtype), (long long)a->batch, (long long)a->height, (long long)a->width, (long long)a->in,
                 (long long)a->out, (long long)a->kernel_height, (long long)a->kernel_width, library_bytes(a) >> 20,
                 cudnnGetErrorString(status));
}

/* ---- the cache: the two below with the lock held */
static xr_status handle_of(int device, cudnnHandle_t *cudnn) {
  for (const handle *h = cache.handles; h; h = h->next)
    if (h->device == device) {
      *cudnn = h->cudnn;
      return XR_OK;
    }
  handle *h = calloc(1, sizeof *h);
  if (!h) return xr_fail(XR_NO_MEMORY, "out of memory");
  const cudnnStatus_t status = cudnnCreate(&h->cudnn);
  if (status != CUDNN_STATUS_SUCCESS) {
    free(h);
    return xr_fail(XR_DEVICE, "cuDNN: starting: %s", cudnnGetErrorString(status));
  }
  h->device = device;
  h->next = cache.handles;
  cache.handles = h;
  *cudnn = h->cudnn;
  return XR_OK;
}

static xr_status find(const xr_conv2d *a, const shape *s, cudnnHandle_t cudnn, const plan **out) {
  for (const plan *p = cache.plans; p; p = p->next)
    if (memcmp(&p->shape, s, sizeof *s) == 0) {
      *out = p;
      return XR_OK;
    }
  plan *p = NULL;
  XR_TRY(make_plan(a, s, cudnn, &p));
  p->next = cache.plans;
  cache.plans = p;
  *out = p;
  return XR_OK;
}

void xr_conv2d_cache_clear_cuda(void) {
  pthread_mutex_lock(&cache.lock);
  while (cache.plans) {
    plan *p = cache.plans;
    cache.plans = p->next;
    destroy(p);
  }
  while (cache.handles) {
    handle *h = cache.handles;
    cache.handles = h->next;
    cudnnDestroy(h->cudnn);
    free(h);
  }
  pthread_mutex_unlock(&cache.lock);
}

/* ---- running */
static void *result_of(const xr_conv2d *a, xr_conv_part part) {
  if (part == XR_CONV_FORWARD) return a->y;
  return part == XR_CONV_DX ? a->dx : (void *)a->dweight;
}

/* The largest power of two up to 16 that divides the addresses of all three. */
static int64_t alignment_of(const xr_conv2d *a, xr_conv_part part) {
  const uintptr_t all = (uintptr_t)(part == XR_CONV_DX ? a->dy : a->x) | (uintptr_t)(part == XR_CONV_DWEIGHT ? a->dy : a->weight) |
                        (uintptr_t)result_of(a, part);
  int64_t bytes = 16;
  while (all % (uintptr_t)bytes) bytes /= 2;
  return bytes;
}

static shape shape_of(const xr_conv2d *a, xr_conv_part part, int device) {
  shape s;
  memset(&s, 0, sizeof s);
  s.part = part;
  s.batch = a->batch;
  s.height = a->height;
  s.width = a->width;
  s.in = a->in;
  s.out = a->out;
  s.kernel_height = a->kernel_height;
  s.kernel_width = a->kernel_width;
  s.stride = a->stride;
  s.pad = a->pad;
  s.dtype = a->dtype;
  s.accumulate = accumulates(a, part);
  s.tf32 = a->tf32;
  s.alignment = alignment_of(a, part);
  s.device = device;
  return s;
}

static xr_status execute(const xr_conv2d *a, const plan *p, cudnnHandle_t cudnn, xr_stream stream) {
  const xr_conv_part part = (xr_conv_part)p->shape.part;
  char *workspace = (char *)a->workspace + staged_bytes(a, part);
  void *result = p->attempt.staged ? a->workspace : result_of(a, part);
  const int64_t ids[TENSORS] = {1, 2, 3};
  void *const data[TENSORS] = {part == XR_CONV_DX ? result : (void *)(uintptr_t)a->x,
                               part == XR_CONV_DWEIGHT ? result : (void *)(uintptr_t)a->weight,
                               part == XR_CONV_FORWARD ? result : (void *)(uintptr_t)a->dy};
  plan pack = {.status = cudnnSetStream(cudnn, stream)}; /* holds the one descriptor of this call */
  cudnnBackendDescriptor_t d = create(&pack, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  set(&pack, d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, TENSORS, ids);
  set(&pack, d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, TENSORS, data);
  set(&pack, d, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  finish(&pack, d);
  if (pack.status == CUDNN_STATUS_SUCCESS) pack.status = cudnnBackendExecute(cudnn, p->execution, d);
  destroy_from(&pack, 0);
  return pack.status == CUDNN_STATUS_SUCCESS ? XR_OK : xr_fail(XR_DEVICE, "cuDNN: a convolution: %s", cudnnGetErrorString(pack.status));
}

/* A staged result to its place. */
static xr_status unstage(const xr_conv2d *a, xr_conv_part part, xr_dtype made_in, xr_stream stream) {
  const xr_cast cast = {.count = result_elements(a, part),
                        .x_dtype = part == XR_CONV_DWEIGHT ? XR_F32 : a->dtype,
                        .y_dtype = made_in,
                        .dy = a->workspace,
                        .dx = result_of(a, part),
                        .accumulate_dx = accumulates(a, part)};
  return xr_cast_backward_cuda(&cast, stream);
}

xr_status xr_conv2d_product_cuda(const xr_conv2d *a, xr_conv_part part, xr_stream stream) {
  int device;
  const cudaError_t error = cudaGetDevice(&device);
  if (error != cudaSuccess) return xr_fail(XR_DEVICE, "conv2d: asking for the device: %s", cudaGetErrorString(error));
  const shape s = shape_of(a, part, device);
  cudnnHandle_t cudnn = NULL;
  const plan *p = NULL;
  attempt made = {XR_F32, false};
  pthread_mutex_lock(&cache.lock);
  xr_status status = handle_of(device, &cudnn);
  if (status == XR_OK) status = find(a, &s, cudnn, &p);
  if (status == XR_OK) {
    made = p->attempt;
    status = execute(a, p, cudnn, stream);
  }
  pthread_mutex_unlock(&cache.lock);
  return status == XR_OK && made.staged ? unstage(a, part, made.result_dtype, stream) : status;
}
