/* Rows scaled to length 1.
 *
 *   y = x * inverse_norm,   inverse_norm = 1 / sqrt(|x|^2 + 1e-12)   (1e-12: XR_L2_EPSILON)
 *
 * Backward, with u = x * inverse_norm:   dx = inverse_norm * (dy - u * (u . dy))
 *
 * This is the exact derivative, epsilon included; a row of zeros gives 0 and passes 1e6 dy. rows >= 0, cols >= 1. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

#define XR_L2_EPSILON 1e-12

typedef struct {
  int64_t rows, cols;
  xr_dtype x_dtype, y_dtype; /* XR_F32 or XR_BF16; dx has x's, dy has y's */
  const void *x;             /* [rows, cols] */
  void *y;                   /* [rows, cols] */
  float *inverse_norm;       /* [rows]: forward writes, backward reads */
  /* backward: reads x, too */
  const void *dy; /* [rows, cols] */
  void *dx;       /* [rows, cols] */
  bool accumulate_dx;
} xr_l2_normalize;

xr_status xr_l2_normalize_check(const xr_l2_normalize *a); /* the arguments, not the data: what every backend does first */
xr_status xr_l2_normalize_forward_cpu(const xr_l2_normalize *a);
xr_status xr_l2_normalize_forward_cuda(const xr_l2_normalize *a, xr_stream stream);
xr_status xr_l2_normalize_backward_cpu(const xr_l2_normalize *a);
xr_status xr_l2_normalize_backward_cuda(const xr_l2_normalize *a, xr_stream stream);

XR_C_END
