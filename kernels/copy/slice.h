/* A piece of one axis of a tensor seen as [outer, axis, inner].
 *
 *   y[o, i, :] = x[o, start + i, :],   0 <= i < length
 *
 * Backward: dx[o, start + i, :] = dy[o, i, :]; the rest of dx becomes 0 (assigning) or stays as it is (accumulating).
 * 0 <= start, start + length <= axis. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t outer, axis, inner, start, length;
  xr_dtype dtype; /* of everything: XR_F32 or XR_BF16 */
  const void *x;  /* [outer, axis, inner] */
  void *y;        /* [outer, length, inner] */
  /* backward */
  const void *dy; /* [outer, length, inner] */
  void *dx;       /* [outer, axis, inner] */
  bool accumulate_dx;
} xr_slice;

xr_status xr_slice_check(const xr_slice *a); /* the arguments, not the data: what every backend does first */
xr_status xr_slice_forward_cpu(const xr_slice *a);
xr_status xr_slice_forward_cuda(const xr_slice *a, xr_stream stream);
xr_status xr_slice_backward_cpu(const xr_slice *a);
xr_status xr_slice_backward_cuda(const xr_slice *a, xr_stream stream);

XR_C_END
