#include "kernels/conv/conv2d_onednn.h"

#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/common/threads.h"

/* Versions 2 and 3 differ in whether a descriptor is a value or a handle. */
#if DNNL_VERSION_MAJOR >= 3
#define REFERENCE(descriptor) (descriptor)
typedef const_dnnl_memory_desc_t reference;
#else
#define REFERENCE(descriptor) (&(descriptor))
typedef const dnnl_memory_desc_t *reference;
#endif

struct xr_conv_primitive {
  struct xr_conv_primitive *next;
  xr_conv_shape shape;
  dnnl_engine_t engine;
  dnnl_memory_desc_t x, weight, bias, y; /* ours; y and x also of their gradients */
  dnnl_memory_desc_t any_weight;
  dnnl_primitive_desc_t forward; /* what the descriptions of the backward parts refer to */
  dnnl_primitive_desc_t description, reorder_description;
  dnnl_primitive_t primitive; /* NULL: no fast one for this processor */
  dnnl_primitive_t reorder;   /* NULL: the library's order of the weight is ours */
  size_t workspace, weight_bytes;
};

static struct {
  pthread_mutex_t lock;
  xr_conv_primitive *first;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static dnnl_data_type_t type_of(int64_t dtype) { return dtype == XR_BF16 ? dnnl_bf16 : dnnl_f32; }

/* ---- descriptions of memory: the library's axes are [B or O, C, H, W] */
static dnnl_status_t describe(dnnl_memory_desc_t *out, int64_t first, int64_t channels, int64_t height, int64_t width,
                              dnnl_data_type_t type) {
  const dnnl_dims_t dims = {first, channels, height, width}, strides = {height * width * channels, 1, width * channels, channels};
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_memory_desc_create_with_strides(out, 4, dims, type, strides);
#else
  return dnnl_memory_desc_init_by_strides(out, 4, dims, type, strides);
#endif
}

static dnnl_status_t describe_tag(dnnl_memory_desc_t *out, int rank, const dnnl_dims_t dims, dnnl_data_type_t type, dnnl_format_tag_t tag) {
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_memory_desc_create_with_tag(out, rank, dims, type, tag);
#else
  return dnnl_memory_desc_init_by_tag(out, rank, dims, type, tag);
#endif
}

static dnnl_status_t describe_all(xr_conv_primitive *p) {
  const xr_conv_shape *s = &p->shape;
  const int64_t height = (s->height + 2 * s->pad - s->kernel_height) / s->stride + 1;
  const int64_t width = (s->width + 2 * s->pad - s->kernel_width) / s->stride + 1;
  const dnnl_data_type_t operand = type_of(s->dtype), result = type_of(s->result_dtype);
  const dnnl_data_type_t weight = s->part == XR_CONV_DWEIGHT ? dnnl_f32 : operand;
  const dnnl_dims_t weight_dims = {s->out, s->in, s->kernel_height, s->kernel_width}, bias_dims = {s->out};
  dnnl_status_t status = describe(&p->x, s->batch, s->in, s->height, s->width, s->part == XR_CONV_DX ? result : operand);
  if (status == dnnl_success) status = describe(&p->y, s->batch, s->out, height, width, s->part == XR_CONV_FORWARD ? result : operand);
  if (status == dnnl_success) status = describe(&p->weight, s->out, s->in, s->kernel_height, s->kernel_width, weight);
  if (status == dnnl_success) status = describe_tag(&p->any_weight, 4, weight_dims, weight, dnnl_format_tag_any);
  if (status == dnnl_success) status = describe_tag(&p->bias, 1, bias_dims, dnnl_f32, dnnl_a);
  return status;
}

/* ---- descriptions of the products */
static dnnl_status_t make_forward(xr_conv_primitive *p, dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *out) {
  const xr_conv_shape *s = &p->shape;
  const dnnl_dims_t strides = {s->stride, s->stride}, pads = {s->pad, s->pad};
  const dnnl_prop_kind_t kind = dnnl_forward_training;
#if DNNL_VERSION_MAJOR >= 3
  const dnnl_dims_t dilations = {0, 0};
  return dnnl_convolution_forward_primitive_desc_create(out, p->engine, kind, dnnl_convolution_direct, p->x, p->any_weight,
                                                        s->bias ? p->bias : NULL, p->y, strides, dilations, pads, pads, attributes);
#else
  dnnl_convolution_desc_t d;
  const dnnl_status_t status = dnnl_convolution_forward_desc_init(&d, kind, dnnl_convolution_direct, &p->x, &p->any_weight,
                                                                  s->bias ? &p->bias : NULL, &p->y, strides, pads, pads);
  return status == dnnl_success ? dnnl_primitive_desc_create(out, &d, attributes, p->engine, NULL) : status;
#endif
}

static dnnl_status_t make_backward(xr_conv_primitive *p, dnnl_primitive_attr_t attributes) {
  const xr_conv_shape *s = &p->shape;
  const dnnl_dims_t strides = {s->stride, s->stride}, pads = {s->pad, s->pad};
#if DNNL_VERSION_MAJOR >= 3
  const dnnl_dims_t dilations = {0, 0};
  if (s->part == XR_CONV_DX)
    return dnnl_convolution_backward_data_primitive_desc_create(&p->description, p->engine, dnnl_convolution_direct, p->x, p->any_weight,
                                                                p->y, strides, dilations, pads, pads, p->forward, attributes);
  return dnnl_convolution_backward_weights_primitive_desc_create(&p->description, p->engine, dnnl_convolution_direct, p->x, p->any_weight,
                                                                 NULL, p->y, strides, dilations, pads, pads, p->forward, attributes);
#else
  dnnl_convolution_desc_t d;
  dnnl_status_t status;
  if (s->part == XR_CONV_DX)
    status = dnnl_convolution_backward_data_desc_init(&d, dnnl_convolution_direct, &p->x, &p->any_weight, &p->y, strides, pads, pads);
  else
    status = dnnl_convolution_backward_weights_desc_init(&d, dnnl_convolution_direct, &p->x, &p->any_weight, NULL, &p->y, strides, pads,
                                                         pads);
  return status == dnnl_success ? dnnl_primitive_desc_create(&p->description, &d, attributes, p->engine, p->forward) : status;
#endif
}

/* Version 3 wants the forward description of a backward part. The operands of one need not be those of the other. */
static dnnl_status_t make_hint(xr_conv_primitive *p) {
#if DNNL_VERSION_MAJOR >= 3
  xr_conv_primitive plain = {.shape = p->shape, .engine = p->engine};
  plain.shape.part = XR_CONV_FORWARD;
  plain.shape.result_dtype = p->shape.dtype;
  dnnl_status_t status = describe_all(&plain);
  if (status == dnnl_success) status = make_forward(&plain, NULL, &p->forward);
  dnnl_memory_desc_t all[] = {plain.x, plain.weight, plain.bias, plain.y, plain.any_weight};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (all[i]) dnnl_memory_desc_destroy(all[i]);
  return status;
#else
  (void)p;
  return dnnl_success;
#endif
}

static dnnl_status_t make_description(xr_conv_primitive *p, dnnl_primitive_attr_t attributes) {
  if (p->shape.part == XR_CONV_FORWARD) return make_forward(p, attributes, &p->description);
  const dnnl_status_t status = make_hint(p);
  return status == dnnl_success ? make_backward(p, attributes) : status;
}

/* ---- primitives */
static reference library_weight(const xr_conv_primitive *p) {
  return dnnl_primitive_desc_query_md(p->description, p->shape.part == XR_CONV_DWEIGHT ? dnnl_query_diff_weights_md : dnnl_query_weights_md,
                                      0);
}

static size_t scratchpad_bytes(const_dnnl_primitive_desc_t description) {
  return dnnl_memory_desc_get_size(dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0));
}

static dnnl_status_t make_reorder(xr_conv_primitive *p, dnnl_primitive_attr_t attributes) {
  const reference theirs = library_weight(p), ours = REFERENCE(p->weight);
  if (dnnl_memory_desc_equal(theirs, ours)) return dnnl_success;
  const bool back = p->shape.part == XR_CONV_DWEIGHT;
  const dnnl_status_t status = dnnl_reorder_primitive_desc_create(&p->reorder_description, back ? theirs : ours, p->engine,
                                                                  back ? ours : theirs, p->engine, attributes);
  if (status != dnnl_success) return status;
  const size_t bytes = scratchpad_bytes(p->reorder_description);
  if (bytes > p->workspace) p->workspace = bytes;
  p->weight_bytes = dnnl_memory_desc_get_size(theirs);
  return dnnl_primitive_create(&p->reorder, p->reorder_description);
}

static dnnl_status_t make_with(xr_conv_primitive *p, dnnl_primitive_attr_t attributes) {
  dnnl_status_t status = make_description(p, attributes);
  if (status != dnnl_success) return status;
  const char *implementation = "";
  dnnl_primitive_desc_query(p->description, dnnl_query_impl_info_str, 0, &implementation);
  if (p->shape.dtype == XR_BF16 && strncmp(implementation, "ref", 3) == 0) return dnnl_unimplemented; /* our f32 detour is far faster */
  p->workspace = scratchpad_bytes(p->description);
  status = make_reorder(p, attributes);
  return status == dnnl_success ? dnnl_primitive_create(&p->primitive, p->description) : status;
}

/* The scratchpad is ours: a primitive's own belongs to the thread that made it. */
static dnnl_status_t make(xr_conv_primitive *p) {
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_status_t status = dnnl_engine_create(&p->engine, dnnl_cpu, 0);
  if (status == dnnl_success) status = describe_all(p);
  if (status == dnnl_success) status = dnnl_primitive_attr_create(&attributes);
  if (status == dnnl_success) status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
  if (status == dnnl_success) status = make_with(p, attributes);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

static void destroy(xr_conv_primitive *p) {
  const dnnl_primitive_t primitives[] = {p->primitive, p->reorder};
  const dnnl_primitive_desc_t descriptions[] = {p->description, p->reorder_description, p->forward};
  for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++)
    if (primitives[i]) dnnl_primitive_destroy(primitives[i]);
  for (size_t i = 0; i < sizeof descriptions / sizeof *descriptions; i++)
    if (descriptions[i]) dnnl_primitive_desc_destroy(descriptions[i]);
#if DNNL_VERSION_MAJOR >= 3
  const dnnl_memory_desc_t memory[] = {p->x, p->weight, p->bias, p->y, p->any_weight};
  for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
    if (memory[i]) dnnl_memory_desc_destroy(memory[i]);
#endif
  if (p->engine) dnnl_engine_destroy(p->engine);
  free(p);
}

static xr_status find_locked(const xr_conv_shape *shape, const xr_conv_primitive **out) {
  for (const xr_conv_primitive *p = cache.first; p; p = p->next) {
    if (memcmp(&p->shape, shape, sizeof *shape) != 0) continue;
    *out = p->primitive ? p : NULL;
    return XR_OK;
  }
  xr_conv_primitive *p = calloc(1, sizeof *p);
  if (!p) return xr_fail(XR_NO_MEMORY, "out of memory");
  p->shape = *shape;
  const int held = xr_threads_hold(); /* a primitive splits its work for the threads that are there when it is made */
  const dnnl_status_t status = make(p);
  xr_threads_release(held);
  if (status != dnnl_success && !(status == dnnl_unimplemented && shape->dtype == XR_BF16)) {
    destroy(p);
    return xr_fail(XR_NO_MEMORY, "conv2d: oneDNN could not make a convolution of maps %lld x %lld x %lld to %lld channels (status %d)",
                   (long long)shape->height, (long long)shape->width, (long long)shape->in, (long long)shape->out, (int)status);
  }
  p->next = cache.first;
  cache.first = p;
  *out = p->primitive ? p : NULL;
  return XR_OK;
}

xr_status xr_conv_primitive_find(const xr_conv_shape *shape, const xr_conv_primitive **out) {
  *out = NULL;
  pthread_mutex_lock(&cache.lock);
  const xr_status status = find_locked(shape, out);
  pthread_mutex_unlock(&cache.lock);
  return status;
}

void xr_conv2d_cache_clear(void) {
  pthread_mutex_lock(&cache.lock);
  while (cache.first) {
    xr_conv_primitive *p = cache.first;
    cache.first = p->next;
    destroy(p);
  }
  pthread_mutex_unlock(&cache.lock);
}

size_t xr_conv_primitive_workspace(const xr_conv_primitive *primitive) { return primitive->workspace; }
size_t xr_conv_primitive_weight_bytes(const xr_conv_primitive *primitive) { return primitive->weight_bytes; }

/* ---- running */
typedef struct {
  int name; /* DNNL_ARG_* */
  reference description;
  const void *data;
} argument;

enum { MOST_ARGUMENTS = 5 };

static bool execute(const xr_conv_primitive *p, dnnl_primitive_t primitive, const argument *with, int count) {
  dnnl_stream_t stream = NULL;
  dnnl_exec_arg_t arguments[MOST_ARGUMENTS] = {{0, NULL}};
  bool ok = dnnl_stream_create(&stream, p->engine, dnnl_stream_default_flags) == dnnl_success;
  for (int i = 0; i < count; i++) {
    arguments[i].arg = with[i].name;
    ok = ok && dnnl_memory_create(&arguments[i].memory, with[i].description, p->engine, (void *)(uintptr_t)with[i].data) == dnnl_success;
  }
  const int held = xr_threads_hold();
  ok = ok && dnnl_primitive_execute(primitive, stream, count, arguments) == dnnl_success;
  ok = ok && dnnl_stream_wait(stream) == dnnl_success;
  xr_threads_release(held);
  for (int i = 0; i < count; i++)
    if (arguments[i].memory) dnnl_memory_destroy(arguments[i].memory);
  if (stream) dnnl_stream_destroy(stream);
  return ok;
}

bool xr_conv_primitive_reorder(const xr_conv_primitive *p, const void *from, void *to, void *workspace) {
  const bool back = p->shape.part == XR_CONV_DWEIGHT;
  const reference theirs = library_weight(p), ours = REFERENCE(p->weight);
  const argument with[] = {
      {DNNL_ARG_FROM, back ? theirs : ours, from},
      {DNNL_ARG_TO, back ? ours : theirs, to},
      {DNNL_ARG_SCRATCHPAD, dnnl_primitive_desc_query_md(p->reorder_description, dnnl_query_scratchpad_md, 0), workspace}};
  return execute(p, p->reorder, with, 3);
}

bool xr_conv_primitive_run(const xr_conv_primitive *p, const void *first, const void *second, const float *bias, void *result,
                           void *workspace) {
  const reference x = REFERENCE(p->x), y = REFERENCE(p->y), weight = library_weight(p);
  const reference scratchpad = dnnl_primitive_desc_query_md(p->description, dnnl_query_scratchpad_md, 0);
  const argument parts[XR_CONV_PARTS][MOST_ARGUMENTS] = {[XR_CONV_FORWARD] = {{DNNL_ARG_SRC, x, first},
                                                                              {DNNL_ARG_WEIGHTS, weight, second},
                                                                              {DNNL_ARG_DST, y, result},
                                                                              {DNNL_ARG_SCRATCHPAD, scratchpad, workspace},
                                                                              {DNNL_ARG_BIAS, REFERENCE(p->bias), bias}},
                                                         [XR_CONV_DX] = {{DNNL_ARG_DIFF_DST, y, first},
                                                                         {DNNL_ARG_WEIGHTS, weight, second},
                                                                         {DNNL_ARG_DIFF_SRC, x, result},
                                                                         {DNNL_ARG_SCRATCHPAD, scratchpad, workspace}},
                                                         [XR_CONV_DWEIGHT] = {{DNNL_ARG_SRC, x, first},
                                                                              {DNNL_ARG_DIFF_DST, y, second},
                                                                              {DNNL_ARG_DIFF_WEIGHTS, weight, result},
                                                                              {DNNL_ARG_SCRATCHPAD, scratchpad, workspace}}};
  return execute(p, p->primitive, parts[p->shape.part], p->shape.bias ? MOST_ARGUMENTS : MOST_ARGUMENTS - 1);
}
