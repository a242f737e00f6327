#include "host/graph/parameters.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/base/random.h"

enum { OFFSET_MULTIPLE = 16 }; /* 64 bytes of f32 */

struct xr_parameters {
  xr_arena *arena;
  xr_parameter **list;
  size_t capacity;
  int count;
  bool laid_out;
  xr_parameter_options options;
  xr_parameter_arrays arrays;
};

xr_parameters *xr_parameters_new(void) {
  xr_parameters *p = calloc(1, sizeof *p);
  if (!p || !(p->arena = xr_arena_new())) {
    free(p);
    xr_fail(XR_NO_MEMORY, "out of memory");
    return NULL;
  }
  return p;
}

void xr_parameters_free(xr_parameters *p) {
  if (!p) return;
  void *blocks[] = {p->arrays.master, p->arrays.gradient, p->arrays.moment[0], p->arrays.moment[1], p->arrays.compute};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) xr_device_free(p->options.backend, blocks[i]);
  xr_arena_free(p->arena);
  free(p->list);
  free(p);
}

int xr_parameter_find(const xr_parameters *p, const char *name) {
  for (int i = 0; i < p->count; i++)
    if (strcmp(p->list[i]->name, name) == 0) return i;
  return -1;
}

xr_status xr_parameters_add(xr_parameters *p, const char *name, xr_shape shape, xr_init init, xr_parameter_kind kind, int *index) {
  *index = xr_parameter_find(p, name);
  if (*index >= 0) {
    xr_shape known = p->list[*index]->shape;
    if (xr_same_shape(known, shape)) return XR_OK;
    return xr_fail(XR_BAD_SHAPE, "the parameter %s is %s elsewhere and %s here", name, xr_shape_to_text(known).text,
                   xr_shape_to_text(shape).text);
  }
  if (p->laid_out) return xr_fail(XR_BAD_ARGUMENT, "the parameter %s is new, but the parameters are laid out already", name);
  if (xr_elements(shape) < 1) return xr_fail(XR_BAD_SHAPE, "the parameter %s is empty: %s", name, xr_shape_to_text(shape).text);
  XR_TRY(xr_grow((void **)&p->list, &p->capacity, (size_t)p->count, sizeof *p->list));
  xr_parameter *parameter = XR_NEW(p->arena, xr_parameter);
  char *copy = xr_arena_copy(p->arena, name);
  const char *like = kind.like ? xr_arena_copy(p->arena, kind.like) : NULL;
  if (!parameter || !copy || (kind.like && !like)) return XR_NO_MEMORY;
  *parameter = (xr_parameter){.name = copy, .shape = shape, .init = init, .kind = {kind.f32, kind.state, like}, .compute_offset = -1};
  *index = p->count;
  p->list[p->count++] = parameter;
  return XR_OK;
}

int xr_parameter_count(const xr_parameters *p) { return p->count; }
const xr_parameter *xr_parameter_at(const xr_parameters *p, int index) { return p->list[index]; }
xr_parameter_arrays xr_parameters_arrays(const xr_parameters *p) { return p->arrays; }
xr_parameter_options xr_parameters_options(const xr_parameters *p) { return p->options; }

int64_t xr_parameter_elements(const xr_parameters *p) {
  int64_t total = 0;
  for (int i = 0; i < p->count; i++) total += xr_elements(p->list[i]->shape);
  return total;
}

static int64_t padded(int64_t elements) { return (elements + OFFSET_MULTIPLE - 1) / OFFSET_MULTIPLE * OFFSET_MULTIPLE; }

void xr_parameters_lay_out(xr_parameters *p, xr_parameter_options options) {
  p->options = options;
  p->arrays.elements = p->arrays.compute_elements = 0;
  for (int i = 0; i < p->count; i++) {
    xr_parameter *parameter = p->list[i];
    int64_t size = padded(xr_elements(parameter->shape));
    parameter->offset = p->arrays.elements;
    p->arrays.elements += size;
    parameter->compute_offset = -1;
    if (options.compute == XR_BF16 && parameter->shape.rank >= 2 && !parameter->kind.state && !parameter->kind.f32) {
      parameter->compute_offset = p->arrays.compute_elements;
      p->arrays.compute_elements += size;
    }
  }
  p->laid_out = true;
}

static void draw_initial(const xr_parameter *parameter, uint64_t seed, float *values) {
  int64_t n = xr_elements(parameter->shape);
  float constant = parameter->init.kind == XR_INIT_ZERO ? 0 : parameter->init.scale != 0 ? parameter->init.scale : 1;
  uint64_t key = xr_random_key(seed, parameter->kind.like ? parameter->kind.like : parameter->name);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < (n + 1) / 2; i++) {
    if (parameter->init.kind != XR_INIT_NORMAL) {
      values[2 * i] = constant;
      if (2 * i + 1 < n) values[2 * i + 1] = constant;
      continue;
    }
    xr_philox r = xr_philox_at(key, 0, (uint64_t)i);
    values[2 * i] = parameter->init.scale * xr_normal(r.word[0], r.word[1]);
    if (2 * i + 1 < n) values[2 * i + 1] = parameter->init.scale * xr_normal(r.word[2], r.word[3]);
  }
}

static xr_status draw_all(xr_parameters *p) {
  int64_t most = 1;
  for (int i = 0; i < p->count; i++) most = xr_elements(p->list[i]->shape) > most ? xr_elements(p->list[i]->shape) : most;
  float *values = xr_block_alloc((size_t)most * sizeof *values);
  xr_status status = values ? XR_OK : XR_NO_MEMORY;
  for (int i = 0; i < p->count && status == XR_OK; i++) {
    draw_initial(p->list[i], p->options.seed, values);
    status = xr_parameter_write(p, XR_MASTER, i, values);
  }
  xr_block_free(values);
  return status;
}

static xr_status allocate(xr_backend backend, size_t bytes, void **array) {
  XR_TRY(xr_device_alloc(backend, array, bytes));
  return xr_device_zero(backend, *array, bytes);
}

xr_status xr_parameters_allocate(xr_parameters *p, xr_parameter_options options) {
  xr_parameters_lay_out(p, options);
  xr_parameter_arrays *a = &p->arrays;
  float **const wanted[] = {&a->master, options.training ? &a->gradient : NULL,
                            options.training && options.moments > 0 ? &a->moment[0] : NULL,
                            options.training && options.moments > 1 ? &a->moment[1] : NULL};
  xr_status status = XR_OK;
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted && status == XR_OK; i++)
    if (wanted[i]) status = allocate(options.backend, (size_t)a->elements * sizeof(float), (void **)wanted[i]);
  if (status == XR_OK && a->compute_elements)
    status = allocate(options.backend, (size_t)a->compute_elements * sizeof(xr_bf16), (void **)&a->compute);
  if (status != XR_OK) {
    const size_t bytes = (size_t)a->elements * sizeof(float) * (1 + (options.training ? 1 + (size_t)options.moments : 0)) +
                         (size_t)a->compute_elements * sizeof(xr_bf16);
    return xr_fail_in(status, "%lld parameters with their gradients and moments, %.1f MiB", (long long)xr_parameter_elements(p),
                      (double)bytes / 1048576.0);
  }
  return options.undrawn ? XR_OK : draw_all(p);
}

/* ---- values in plain memory */
static float *part_of(const xr_parameters *p, xr_parameter_part part) {
  float *const arrays[XR_PARAMETER_PARTS] = {[XR_MASTER] = p->arrays.master,
                                             [XR_GRADIENT] = p->arrays.gradient,
                                             [XR_MOMENT_0] = p->arrays.moment[0],
                                             [XR_MOMENT_1] = p->arrays.moment[1]};
  return arrays[part];
}

bool xr_parameters_have(const xr_parameters *p, xr_parameter_part part) { return part_of(p, part) != NULL; }

xr_status xr_parameter_read(const xr_parameters *p, xr_parameter_part part, int index, float *to) {
  const xr_parameter *parameter = p->list[index];
  return xr_device_read(p->options.backend, to, part_of(p, part) + parameter->offset, (size_t)xr_elements(parameter->shape) * sizeof *to);
}

static xr_status write_compute(xr_parameters *p, const xr_parameter *parameter, const float *from) {
  const int64_t n = xr_elements(parameter->shape);
  xr_bf16 *values = xr_block_alloc((size_t)n * sizeof *values);
  if (!values) return XR_NO_MEMORY;
#pragma omp parallel for simd schedule(static)
  for (int64_t k = 0; k < n; k++) values[k] = xr_f32_to_bf16(from[k]);
  xr_status status = xr_device_write(p->options.backend, p->arrays.compute + parameter->compute_offset, values, (size_t)n * sizeof *values);
  xr_block_free(values);
  return status;
}

xr_status xr_parameter_write(xr_parameters *p, xr_parameter_part part, int index, const float *from) {
  const xr_parameter *parameter = p->list[index];
  const size_t bytes = (size_t)xr_elements(parameter->shape) * sizeof *from;
  XR_TRY(xr_device_write(p->options.backend, part_of(p, part) + parameter->offset, from, bytes));
  return part == XR_MASTER && parameter->compute_offset >= 0 ? write_compute(p, parameter, from) : XR_OK;
}

xr_status xr_parameters_view(const xr_parameters *p, xr_parameter_part part, xr_parameter_view *view) {
  const size_t bytes = (size_t)p->arrays.elements * sizeof(float);
  *view = (xr_parameter_view){.values = part_of(p, part)};
  if (!view->values || p->options.backend == XR_CPU) return XR_OK;
  view->copy = xr_block_alloc(bytes);
  if (!view->copy) return XR_NO_MEMORY;
  xr_status status = xr_device_read(p->options.backend, view->copy, view->values, bytes);
  view->values = view->copy;
  return status;
}

void xr_parameters_view_end(xr_parameter_view *view) {
  xr_block_free(view->copy);
  *view = (xr_parameter_view){0};
}
