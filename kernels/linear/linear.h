/* A linear layer with its activation.
 *
 *   pre = x W^T + bias,   y = activation(pre)                     (x W + bias when weight_transposed)
 *
 * Backward:
 *   dpre = dy * activation'(pre)                                  (dy without an activation)
 *   dx = dpre W,   dweight = dpre^T x,   dbias = sum over rows of dpre
 *
 * Sums are f32 under every dtype; the activation sees pre before it is rounded for storing (CUDA: after; the product comes from a
 * library). rows >= 0, in, out >= 1. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/activation/activation.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t rows, in, out;
  xr_dtype dtype;   /* of x, weight, dpre and dx: XR_F32 or XR_BF16 */
  xr_dtype y_dtype; /* of y, pre and dy: dtype, or XR_F32 */
  xr_activation_kind activation;
  bool weight_transposed; /* weight and dweight are [in, out] */
  bool tf32;              /* CUDA, f32: the products' operands are rounded to 10 bits, for speed (gemm.h) */
  const void *x;          /* [rows, in] */
  const void *weight;     /* [out, in] */
  const float *bias;      /* [out] or NULL */
  void *pre;              /* [rows, out] or NULL: written by forward, read by backward; only when there is an activation */
  void *y;                /* [rows, out] */
  /* backward */
  const void *dy;     /* [rows, out] */
  void *dpre;         /* [rows, out], scratch: needed when there is an activation (then it may be the memory of dy, if y_dtype is
                         dtype) and when y_dtype is not dtype; otherwise unused */
  void *dx;           /* [rows, in], NULL: not wanted */
  bool accumulate_dx; /* add to dx instead of assigning */
  float *dweight;     /* [out, in], NULL: not wanted (a frozen layer) */
  float *dbias;       /* [out], NULL: not wanted */
  bool accumulate_dweight, accumulate_dbias;
  void *workspace; /* xr_linear_workspace() bytes, aligned to 64 (CUDA: 256); forward and backward; NULL when that is 0 */
} xr_linear;

/* For the products that this struct asks for: forward (y set), dx, dweight and dbias (each not NULL), whichever needs most. Only whether
 * those pointers are NULL matters. */
size_t xr_linear_workspace(const xr_linear *a);

xr_status xr_linear_forward_cpu(const xr_linear *a);
xr_status xr_linear_forward_cuda(const xr_linear *a, xr_stream stream);
xr_status xr_linear_backward_cpu(const xr_linear *a);
xr_status xr_linear_backward_cuda(const xr_linear *a, xr_stream stream);

XR_C_END
