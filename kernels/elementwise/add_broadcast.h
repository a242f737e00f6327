/* A row added to every row of a tensor: y[r, p] = x[r, p] + v[p].
 * Backward: dx = dy, dv[p] = sum over r of dy[r, p]. rows >= 0, cols >= 1.
 *
 * Sums are f32 and made in an order that follows from the shape alone. */
#pragma once

#include <stddef.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t rows, cols;          /* R, P */
  xr_dtype dtype;              /* of x, y and dy: XR_F32 or XR_BF16 */
  xr_dtype v_dtype;            /* of v: XR_F32 or XR_BF16 */
  xr_dtype dx_dtype, dv_dtype; /* the same choice: XR_F32 for the gradient of a parameter, else that of the tensor; backward only */
  const void *x;               /* [R, P] */
  const void *v;               /* [P] */
  void *y;                     /* [R, P], may be the memory of x */
  /* backward */
  const void *dy; /* [R, P] */
  void *dx;       /* [R, P] or NULL: not wanted, or it is dy */
  void *dv;       /* [P] or NULL */
  bool accumulate_dx, accumulate_dv;
  float *workspace; /* xr_add_broadcast_workspace() bytes when dv is wanted; NULL when that is 0 */
} xr_add_broadcast_args;

size_t xr_add_broadcast_workspace(const xr_add_broadcast_args *a); /* backward only */

xr_status xr_add_broadcast_check(const xr_add_broadcast_args *a); /* forward's arguments, not the data: what every backend does first */
xr_status xr_add_broadcast_check_backward(const xr_add_broadcast_args *a); /* the same for backward */

xr_status xr_add_broadcast_forward_cpu(const xr_add_broadcast_args *a);
xr_status xr_add_broadcast_forward_cuda(const xr_add_broadcast_args *a, xr_stream stream);
xr_status xr_add_broadcast_backward_cpu(const xr_add_broadcast_args *a);
xr_status xr_add_broadcast_backward_cuda(const xr_add_broadcast_args *a, xr_stream stream);

XR_C_END
