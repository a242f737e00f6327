/* Single-threaded convolutions of oneDNN, made once per shape and kept. Used by conv2d_cpu.c only.
 *
 * Maps are [B, H, W, C]; weights are in an order that the library chooses, and xr_conv_primitive_reorder() goes between that and
 * [O, kh, kw, C]. */
#pragma once

#include "kernels/conv/conv2d_parts.h"

/* Compared as bytes: no padding. */
typedef struct {
  int64_t part; /* xr_conv_part */
  int64_t batch, height, width, in, out, kernel_height, kernel_width, stride, pad, bias;
  int64_t dtype, result_dtype; /* of the operands; of y or dx (dweight is f32) */
} xr_conv_shape;

typedef struct xr_conv_primitive xr_conv_primitive;

/* *out is NULL (and the status XR_OK) when oneDNN has no fast bf16 convolution of this shape on this processor. */
xr_status xr_conv_primitive_find(const xr_conv_shape *shape, const xr_conv_primitive **out);

size_t xr_conv_primitive_workspace(const xr_conv_primitive *primitive);
/* Bytes of the weight (or its gradient) in the library's order; 0: that is [O, kh, kw, C]. */
size_t xr_conv_primitive_weight_bytes(const xr_conv_primitive *primitive);

/* From [O, kh, kw, C] to the library's order; for dweight from the library's order. False when oneDNN failed. */
bool xr_conv_primitive_reorder(const xr_conv_primitive *primitive, const void *from, void *to, void *workspace);

/* y from x and weight; dx from dy and weight; dweight from x and dy. bias: forward, when the shape has one. Any number of threads may run
 * one primitive at a time, each with its own workspace. False when oneDNN failed. */
bool xr_conv_primitive_run(const xr_conv_primitive *primitive, const void *first, const void *second, const float *bias, void *result,
                           void *workspace);
