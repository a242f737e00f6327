/* Mean over square cells of the grid that image tokens form: average pooling with equal kernel and stride, without padding.
 *
 *   y[b, r (W / f) + c, :] = (1 / f^2) sum over 0 <= i, j < f of x[b, first + (f r + i) W + f c + j, :]
 *
 * Backward: dx[b, first + i W + j, :] = dy[b, (i / f) (W / f) + j / f, :] / f^2; tokens before the grid (the class token) are left out
 * and have gradient 0. H and W are multiples of the factor f; first is 0 or 1; else XR_BAD_SHAPE. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, first, grid_height, grid_width, width; /* B, tokens before the grid, H, W, D */
  int64_t factor;                                       /* f: side of a cell */
  xr_dtype dtype;                                       /* of x, y and their gradients: XR_F32 or XR_BF16 */
  const void *x;                                        /* [B, first + H W, D] */
  void *y;                                              /* [B, (H / f) (W / f), D] */
  /* backward */
  const void *dy; /* [B, (H / f) (W / f), D] */
  void *dx;       /* [B, first + H W, D] */
  bool accumulate_dx;
} xr_grid_mean;

/* Tokens of a sample after pooling. */
static inline int64_t xr_grid_mean_cells(const xr_grid_mean *a) { return (a->grid_height / a->factor) * (a->grid_width / a->factor); }

xr_status xr_grid_mean_check(const xr_grid_mean *a); /* the arguments, not the data: what every backend does first */
xr_status xr_grid_mean_forward_cpu(const xr_grid_mean *a);
xr_status xr_grid_mean_forward_cuda(const xr_grid_mean *a, xr_stream stream);
xr_status xr_grid_mean_backward_cpu(const xr_grid_mean *a);
xr_status xr_grid_mean_backward_cuda(const xr_grid_mean *a, xr_stream stream);

XR_C_END
