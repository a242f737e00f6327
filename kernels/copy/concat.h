/* Tensors joined along one axis; each is seen as [outer, its own axis, inner].
 *
 *   y[o, at_k + i, :] = x_k[o, i, :],   at_k = axis_0 + .. + axis_(k-1)
 *
 * Backward: dx_k[o, i, :] = dy[o, at_k + i, :]. 1 to XR_MAX_CONCAT inputs. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

enum { XR_MAX_CONCAT = 8 };

typedef struct {
  int inputs;
  int64_t outer, inner, axis[XR_MAX_CONCAT];
  xr_dtype dtype;               /* of everything: XR_F32 or XR_BF16 */
  const void *x[XR_MAX_CONCAT]; /* x[k]: [outer, axis[k], inner] */
  void *y;                      /* [outer, sum of axis, inner] */
  /* backward */
  const void *dy;          /* [outer, sum of axis, inner] */
  void *dx[XR_MAX_CONCAT]; /* dx[k]: [outer, axis[k], inner] or NULL */
  bool accumulate_dx[XR_MAX_CONCAT];
} xr_concat;

/* The arguments, not the data: what every backend does first. `*whole` becomes the elements of one of y's `outer` pieces. */
xr_status xr_concat_check(const xr_concat *a, int64_t *whole);
xr_status xr_concat_forward_cpu(const xr_concat *a);
xr_status xr_concat_forward_cuda(const xr_concat *a, xr_stream stream);
xr_status xr_concat_backward_cpu(const xr_concat *a);
xr_status xr_concat_backward_cuda(const xr_concat *a, xr_stream stream);

XR_C_END
