/* Slabs repeated: y[o, c, i] = x[o, i] for c < count. What gives every sample of a batch the same rows (outer = 1), or every row of a
 * sample the same vector (outer = batch).
 *
 * Backward: dx[o, i] = sum over c of dy[o, c, i], in f32, in the order of c. outer, inner >= 0; count >= 1. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t outer, count, inner;
  xr_dtype dtype; /* of x, y and their gradients: XR_F32 or XR_BF16 */
  const void *x;  /* [outer, inner] */
  void *y;        /* [outer, count, inner] */
  /* backward */
  const void *dy; /* [outer, count, inner] */
  void *dx;       /* [outer, inner] */
  bool accumulate_dx;
} xr_repeat;

xr_status xr_repeat_check(const xr_repeat *a); /* the arguments, not the data: what every backend does first */
xr_status xr_repeat_forward_cpu(const xr_repeat *a);
xr_status xr_repeat_forward_cuda(const xr_repeat *a, xr_stream stream);
xr_status xr_repeat_backward_cpu(const xr_repeat *a);
xr_status xr_repeat_backward_cuda(const xr_repeat *a, xr_stream stream);

XR_C_END
