/* A tensor in another dtype: y = x, rounded to nearest (ties to even) from f32 to bf16, exact from bf16 to f32.
 * Backward: dx = dy, likewise. Equal dtypes are allowed: a copy. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t count;
  xr_dtype x_dtype, y_dtype; /* XR_F32 or XR_BF16; dx has x's, dy has y's */
  const void *x;             /* [count] */
  void *y;                   /* [count] */
  /* backward */
  const void *dy; /* [count] */
  void *dx;       /* [count] */
  bool accumulate_dx;
} xr_cast;

xr_status xr_cast_check(const xr_cast *a); /* the arguments, not the data: what every backend does first */
xr_status xr_cast_forward_cpu(const xr_cast *a);
xr_status xr_cast_forward_cuda(const xr_cast *a, xr_stream stream);
xr_status xr_cast_backward_cpu(const xr_cast *a);
xr_status xr_cast_backward_cuda(const xr_cast *a, xr_stream stream);

XR_C_END
