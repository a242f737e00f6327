/* Largest value of square windows of feature maps, channel by channel.
 *
 *   y[b, i, j, c] = max of x[b, i s - p + u, j s - p + v, c] over 0 <= u, v < k inside the map,
 *   height' = (height + 2 p - k) / s + 1, rounded down; width' alike
 *
 * The gradient goes to the first element of the window (row by row) that has the largest value; where windows overlap, an element adds up
 * what it is given, in the order of the windows. A NaN is the largest value. Stride s >= 1, padding p <= k / 2, 1 <= k <= 15, and a window
 * fits into the padded map. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, height, width, channels; /* B, H, W, C */
  int64_t kernel, stride, pad;            /* k, s, p */
  xr_dtype dtype;                         /* of x, y and their gradients: XR_F32 or XR_BF16 */
  const void *x;                          /* [B, H, W, C] */
  void *y;                                /* [B, height', width', C] */
  uint8_t *chosen;                        /* [B, height', width', C]: u k + v; forward writes, backward reads */
  /* backward */
  const void *dy; /* [B, height', width', C] */
  void *dx;       /* [B, H, W, C] */
  bool accumulate_dx;
} xr_max_pool;

static inline int64_t xr_max_pool_size(const xr_max_pool *a, int64_t size) { return (size + 2 * a->pad - a->kernel) / a->stride + 1; }

xr_status xr_max_pool_check(const xr_max_pool *a);
xr_status xr_max_pool_forward_cpu(const xr_max_pool *a);
xr_status xr_max_pool_forward_cuda(const xr_max_pool *a, xr_stream stream);
xr_status xr_max_pool_backward_cpu(const xr_max_pool *a);
xr_status xr_max_pool_backward_cuda(const xr_max_pool *a, xr_stream stream);

XR_C_END
