/* A tensor times a number: y = alpha x. Backward: dx = alpha dy. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t count;
  xr_dtype dtype; /* of everything: XR_F32 or XR_BF16 */
  float alpha;
  const void *x; /* [count] */
  void *y;       /* [count], may be the memory of x */
  /* backward */
  const void *dy; /* [count] */
  void *dx;       /* [count], may be the memory of dy */
  bool accumulate_dx;
} xr_scale;

xr_status xr_scale_check(const xr_scale *a); /* the arguments, not the data: what every backend does first */
xr_status xr_scale_forward_cpu(const xr_scale *a);
xr_status xr_scale_forward_cuda(const xr_scale *a, xr_stream stream);
xr_status xr_scale_backward_cpu(const xr_scale *a);
xr_status xr_scale_backward_cuda(const xr_scale *a, xr_stream stream);

XR_C_END
