/* Convolution of feature maps, channels last (what the literature calls convolution: the kernel is not turned around).
 *
 *   y[b, i, j, o] = bias[o] + sum over u, v, c of x[b, i s + u - p, j s + v - p, c] weight[o, u, v, c]        (x is 0 outside)
 *   Ho = (H + 2 p - kh) / s + 1,   Wo = (W + 2 p - kw) / s + 1                                               (rounded down)
 *
 * Backward:
 *   dx[b, h, w, c]     = sum over o and all i s + u - p = h, j s + v - p = w of dy[b, i, j, o] weight[o, u, v, c]
 *   dweight[o, u, v, c] = sum over b, i, j of dy[b, i, j, o] x[b, i s + u - p, j s + v - p, c]
 *   dbias[o]           = sum over b, i, j of dy[b, i, j, o]
 *
 * Sums are f32 under every dtype. One by one with stride 1 and no padding is the linear layer of kernels/linear/linear.h.
 *
 * CPU: oneDNN, image by image; dweight over at most 16 runs of images, added in order. So the bytes do not depend on threads, and one image
 * keeps one thread busy.
 * CUDA: cuDNN, deterministic engines alone. f32 is exact f32 unless `tf32`. Where cuDNN has no engine that gives dweight in f32 from bf16,
 * dweight is rounded to bf16 once. What the library needs for a shape is found out and kept when the shape is first met, so a shape must
 * have run once before it is captured.
 *
 * batch >= 0; H, W, C, O, kh, kw, s >= 1; 0 <= p < kh, kw; Ho, Wo >= 1. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, height, width, in, out; /* B, H, W, C, O */
  int64_t kernel_height, kernel_width, stride, pad;
  xr_dtype dtype;     /* of x, weight, y, dy and dx: XR_F32 or XR_BF16 */
  bool tf32;          /* CUDA, f32: the products' operands are rounded to 10 bits, for speed */
  const void *x;      /* [B, H, W, C] */
  const void *weight; /* [O, kh, kw, C] */
  const float *bias;  /* [O] or NULL */
  void *y;            /* [B, Ho, Wo, O] */
  /* backward */
  const void *dy;     /* [B, Ho, Wo, O] */
  void *dx;           /* [B, H, W, C], NULL: not wanted */
  bool accumulate_dx; /* add to dx instead of assigning */
  float *dweight;     /* [O, kh, kw, C], NULL: not wanted */
  float *dbias;       /* [O], NULL: not wanted */
  bool accumulate_dweight, accumulate_dbias;
  void *workspace; /* xr_conv2d_workspace() bytes, aligned to 64 (CUDA: 256); forward and backward; NULL when that is 0 */
} xr_conv2d;

static inline int64_t xr_conv2d_out_height(const xr_conv2d *a) { return (a->height + 2 * a->pad - a->kernel_height) / a->stride + 1; }
static inline int64_t xr_conv2d_out_width(const xr_conv2d *a) { return (a->width + 2 * a->pad - a->kernel_width) / a->stride + 1; }

xr_status xr_conv2d_check(const xr_conv2d *a); /* the arguments, not the data: what every backend does first */

/* For what this struct asks for: forward (y set), dx, dweight and dbias (each not NULL), whichever needs most. Only whether those pointers
 * are NULL matters, and accumulate_dx. Serves every backend of the build. */
size_t xr_conv2d_workspace(const xr_conv2d *a);

xr_status xr_conv2d_forward_cpu(const xr_conv2d *a);
xr_status xr_conv2d_forward_cuda(const xr_conv2d *a, xr_stream stream);
xr_status xr_conv2d_backward_cpu(const xr_conv2d *a);
xr_status xr_conv2d_backward_cuda(const xr_conv2d *a, xr_stream stream);

/* oneDNN's objects take milliseconds to make and are kept, for all threads; cuDNN's plans take longer. These free them: not while a
 * convolution runs, nor while a captured graph will be replayed. */
void xr_conv2d_cache_clear(void);
void xr_conv2d_cache_clear_cuda(void);

XR_C_END
