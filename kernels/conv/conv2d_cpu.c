/* Through single-threaded oneDNN calls: y and dx an image at a time, dweight over runs of images whose results are added in order. */
#include "kernels/conv/conv2d.h"

#include <string.h>

#include "kernels/common/rows.h"
#include "kernels/common/threads.h"
#include "kernels/conv/conv2d_onednn.h"
#include "kernels/conv/conv2d_parts.h"

enum {
  MOST_RUNS = 16,              /* of images for dweight ... */
  FEW_RUNS = 4,                /* ... which large weights have */
  MOST_PARTIAL_BYTES = 1 << 27 /* of all runs' results, above which there are fewer runs */
};

/* One product: its units of work, and where in the workspace things lie. */
typedef struct {
  xr_conv_part part;
  bool wide;                             /* bf16 operands are widened: there is no fast bf16 here */
  bool staged;                           /* y or dx is made in f32, in the slot, and then stored */
  int64_t units, images;                 /* images of each unit but the last */
  const xr_conv_primitive *primitive[2]; /* of the others, of the last unit */
  int64_t x_image, y_image, weight;      /* elements */
  /* shared: the weight in f32, and in the library's order; or the units' results */
  size_t plain_bytes, packed_bytes, partial_bytes;
  /* of each slot */
  size_t scratch_bytes, first_bytes, second_bytes, result_bytes;
} plan;

static size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t floats(int64_t count) { return aligned((size_t)count * sizeof(float)); }

static int64_t images_of(const xr_conv2d *a, const plan *p, int64_t unit) {
  return unit + 1 < p->units ? p->images : a->batch - unit * p->images;
}

/* By shape alone. */
static void choose_units(const xr_conv2d *a, plan *p) {
  p->images = 1;
  if (p->part == XR_CONV_DWEIGHT) {
    int64_t runs = MOST_RUNS;
    while (runs > FEW_RUNS && (size_t)(runs * p->weight) * sizeof(float) > MOST_PARTIAL_BYTES) runs /= 2;
    p->images = (a->batch + runs - 1) / runs;
  }
  p->units = (a->batch + p->images - 1) / p->images;
}

static xr_status find_primitives(const xr_conv2d *a, plan *p) {
  const xr_dtype operand = p->wide ? XR_F32 : a->dtype;
  for (int last = 0; last < 2; last++) {
    const xr_conv_shape shape = {.part = p->part,
                                 .batch = images_of(a, p, last ? p->units - 1 : 0),
                                 .height = a->height,
                                 .width = a->width,
                                 .in = a->in,
                                 .out = a->out,
                                 .kernel_height = a->kernel_height,
                                 .kernel_width = a->kernel_width,
                                 .stride = a->stride,
                                 .pad = a->pad,
                                 .bias = p->part == XR_CONV_FORWARD && a->bias,
                                 .dtype = operand,
                                 .result_dtype = p->staged || p->part == XR_CONV_DWEIGHT ? XR_F32 : operand};
    XR_TRY(xr_conv_primitive_find(&shape, &p->primitive[last]));
  }
  return XR_OK;
}

static xr_status make_plan(const xr_conv2d *a, xr_conv_part part, plan *p) {
  *p = (plan){.part = part,
              .staged = part == XR_CONV_DX && a->accumulate_dx,
              .x_image = a->height * a->width * a->in,
              .y_image = xr_conv2d_out_height(a) * xr_conv2d_out_width(a) * a->out,
              .weight = xr_conv2d_weight_elements(a)};
  choose_units(a, p);
  XR_TRY(find_primitives(a, p));
  if (!p->primitive[0] || !p->primitive[1]) {
    p->wide = true;
    p->staged = part != XR_CONV_DWEIGHT;
    XR_TRY(find_primitives(a, p));
  }
  const size_t packed = larger(xr_conv_primitive_weight_bytes(p->primitive[0]), xr_conv_primitive_weight_bytes(p->primitive[1]));
  p->scratch_bytes = aligned(larger(xr_conv_primitive_workspace(p->primitive[0]), xr_conv_primitive_workspace(p->primitive[1])));
  if (part == XR_CONV_DWEIGHT) {
    p->partial_bytes = floats(p->weight);
    p->result_bytes = aligned(packed);
    if (p->wide) p->first_bytes = floats(p->images * p->x_image), p->second_bytes = floats(p->images * p->y_image);
    return XR_OK;
  }
  p->packed_bytes = aligned(packed);
  if (p->wide) p->plain_bytes = floats(p->weight);
  if (p->wide) p->first_bytes = floats(part == XR_CONV_FORWARD ? p->x_image : p->y_image);
  if (p->staged) p->result_bytes = floats(part == XR_CONV_FORWARD ? p->y_image : p->x_image);
  return XR_OK;
}

static size_t shared_bytes(const plan *p) { return p->plain_bytes + p->packed_bytes + (size_t)p->units * p->partial_bytes; }
static size_t slot_bytes(const plan *p) { return p->scratch_bytes + p->first_bytes + p->second_bytes + p->result_bytes; }

size_t xr_conv2d_product_workspace_cpu(const xr_conv2d *a, xr_conv_part part) {
  plan p;
  if (make_plan(a, part, &p) != XR_OK) return 0;
  const int64_t slots = xr_thread_slots();
  /* the weight is reordered before any slot is in use, with the first slot's scratch memory */
  return shared_bytes(&p) + (size_t)(p.units < slots ? p.units : slots) * slot_bytes(&p);
}

/* `count` elements at element `from`, in f32: in `scratch` where they have to be widened. */
static const void *operand(const plan *p, xr_dtype dtype, const void *base, int64_t from, int64_t count, void *scratch) {
  const char *at = (const char *)base + from * (int64_t)xr_dtype_bytes(dtype);
  if (!p->wide) return at;
  xr_widen(scratch, (const xr_bf16 *)(const void *)at, count);
  return scratch;
}

/* to (+)= values */
static void store(void *base, xr_dtype dtype, int64_t from, int64_t count, float *values, bool add) {
  if (dtype == XR_F32) {
    float *to = (float *)base + from;
    for (int64_t i = 0; i < count; i++) to[i] = add ? to[i] + values[i] : values[i];
    return;
  }
  xr_bf16 *to = (xr_bf16 *)base + from;
  if (add)
    for (int64_t i = 0; i < count; i++) values[i] += xr_bf16_to_f32(to[i]);
  xr_narrow(to, values, count);
}

/* y or dx of one image. */
static bool run_image(const xr_conv2d *a, const plan *p, int64_t image, const void *weight, char *slot) {
  const bool forward = p->part == XR_CONV_FORWARD;
  const int64_t in = forward ? p->x_image : p->y_image, out = forward ? p->y_image : p->x_image;
  char *first = slot + p->scratch_bytes, *staged = first + p->first_bytes;
  void *base = forward ? a->y : a->dx;
  void *result = p->staged ? staged : (char *)base + image * out * (int64_t)xr_dtype_bytes(a->dtype);
  const bool ok = xr_conv_primitive_run(p->primitive[0], operand(p, a->dtype, forward ? a->x : a->dy, image * in, in, first), weight,
                                        forward ? a->bias : NULL, result, slot);
  if (ok && p->staged) store(base, a->dtype, image * out, out, (float *)(void *)staged, !forward && a->accumulate_dx);
  return ok;
}

/* dweight of a run of images, into its place of the partial results. */
static bool run_images(const xr_conv2d *a, const plan *p, int64_t unit, char *partials, char *slot) {
  const xr_conv_primitive *primitive = p->primitive[unit + 1 == p->units];
  const int64_t from = unit * p->images, images = images_of(a, p, unit);
  char *first = slot + p->scratch_bytes, *second = first + p->first_bytes, *packed = second + p->second_bytes;
  char *partial = partials + (size_t)unit * p->partial_bytes;
  const void *x = operand(p, a->dtype, a->x, from * p->x_image, images * p->x_image, first);
  const void *dy = operand(p, a->dtype, a->dy, from * p->y_image, images * p->y_image, second);
  if (!xr_conv_primitive_weight_bytes(primitive)) return xr_conv_primitive_run(primitive, x, dy, NULL, partial, slot);
  return xr_conv_primitive_run(primitive, x, dy, NULL, packed, slot) && xr_conv_primitive_reorder(primitive, packed, partial, slot);
}

static void add_partials(const xr_conv2d *a, const plan *p, const char *partials) {
  enum { CHUNK = 4096 };
#pragma omp parallel for schedule(static)
  for (int64_t from = 0; from < p->weight; from += CHUNK) {
    const int64_t count = p->weight - from < CHUNK ? p->weight - from : CHUNK;
    float *to = a->dweight + from;
    if (!a->accumulate_dweight) memset(to, 0, (size_t)count * sizeof *to);
    for (int64_t unit = 0; unit < p->units; unit++) {
      const float *partial = (const float *)(const void *)(partials + (size_t)unit * p->partial_bytes) + from;
#pragma omp simd
      for (int64_t i = 0; i < count; i++) to[i] += partial[i];
    }
  }
}

static xr_status run_product(const xr_conv2d *a, xr_conv_part part) {
  plan p;
  XR_TRY(make_plan(a, part, &p));
  char *plain = a->workspace, *packed = plain + p.plain_bytes, *slots = plain + shared_bytes(&p);
  const void *weight = a->weight;
  int failures = 0;
  if (p.plain_bytes) {
    xr_widen((float *)(void *)plain, a->weight, p.weight);
    weight = plain;
  }
  if (p.packed_bytes) {
    failures += !xr_conv_primitive_reorder(p.primitive[0], weight, packed, slots);
    weight = packed;
  }
#pragma omp parallel for schedule(dynamic) num_threads(xr_threads(p.units)) reduction(+ : failures)
  for (int64_t unit = 0; unit < p.units; unit++) {
    char *slot = slots + (size_t)xr_thread_index() * slot_bytes(&p);
    failures += !(part == XR_CONV_DWEIGHT ? run_images(a, &p, unit, plain, slot) : run_image(a, &p, unit, weight, slot));
  }
  if (failures) return xr_fail(XR_NO_MEMORY, "conv2d: oneDNN failed in %d of %lld pieces", failures, (long long)p.units);
  if (part == XR_CONV_DWEIGHT) add_partials(a, &p, plain);
  return XR_OK;
}

xr_status xr_conv2d_forward_cpu(const xr_conv2d *a) {
  XR_TRY(xr_conv2d_check(a));
  if (xr_conv2d_is_linear(a)) {
    const xr_linear linear = xr_conv2d_as_linear(a);
    return xr_linear_forward_cpu(&linear);
  }
  return a->batch ? run_product(a, XR_CONV_FORWARD) : XR_OK;
}

xr_status xr_conv2d_backward_cpu(const xr_conv2d *a) {
  XR_TRY(xr_conv2d_check(a));
  if (a->batch == 0) {
    if (a->dweight && !a->accumulate_dweight) memset(a->dweight, 0, (size_t)xr_conv2d_weight_elements(a) * sizeof *a->dweight);
    if (a->dbias && !a->accumulate_dbias) memset(a->dbias, 0, (size_t)a->out * sizeof *a->dbias);
    return XR_OK;
  }
  const xr_linear linear = xr_conv2d_is_linear(a) ? xr_conv2d_as_linear(a) : xr_conv2d_bias_gradient(a);
  if (xr_conv2d_is_linear(a) || a->dbias) XR_TRY(xr_linear_backward_cpu(&linear));
  if (xr_conv2d_is_linear(a)) return XR_OK;
  if (a->dweight) XR_TRY(run_product(a, XR_CONV_DWEIGHT));
  return a->dx ? run_product(a, XR_CONV_DX) : XR_OK;
}
