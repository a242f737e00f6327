/* Maps at another size, by bilinear interpolation between the centres of pixels (what PyTorch calls align_corners = false, without
 * antialiasing).
 *
 *   s = max((i + 1/2) size / size' - 1/2, 0),  i0 = floor(s),  i1 = min(i0 + 1, size - 1),  t = s - i0,    along both axes
 *   y[b, i, j] = (1 - t)((1 - u) x[i0, j0] + u x[i0, j1]) + t ((1 - u) x[i1, j0] + u x[i1, j1]),    u as t, along the rows
 *
 * Backward: dx is the sum of dy times the same weights, in the order of y's elements. batch, channels >= 0, sizes >= 1. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, channels;
  int64_t height, width;         /* of x */
  int64_t out_height, out_width; /* of y */
  const float *x;                /* [batch, height, width, channels] */
  float *y;                      /* [batch, out_height, out_width, channels] */
  /* backward */
  const float *dy;
  float *dx;
  bool accumulate_dx;
} xr_resize_bilinear;

xr_status xr_resize_bilinear_check(const xr_resize_bilinear *a);
xr_status xr_resize_bilinear_forward_cpu(const xr_resize_bilinear *a);
xr_status xr_resize_bilinear_forward_cuda(const xr_resize_bilinear *a, xr_stream stream);
xr_status xr_resize_bilinear_backward_cpu(const xr_resize_bilinear *a);
xr_status xr_resize_bilinear_backward_cuda(const xr_resize_bilinear *a, xr_stream stream);

XR_C_END
