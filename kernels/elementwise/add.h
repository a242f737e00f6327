/* Weighted sum of two tensors: y = alpha a + beta b, elementwise. Backward: da = alpha dy, db = beta dy. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t count;
  xr_dtype dtype; /* of everything: XR_F32 or XR_BF16 */
  float alpha, beta;
  const void *a, *b; /* [count] */
  void *y;           /* [count], may be the memory of a or b */
  /* backward */
  const void *dy; /* [count] */
  void *da, *db;  /* [count] or NULL; da may be the memory of dy when db is NULL, and the reverse */
  bool accumulate_da, accumulate_db;
} xr_add;

xr_status xr_add_check(const xr_add *a); /* the arguments, not the data: what every backend does first */
xr_status xr_add_forward_cpu(const xr_add *a);
xr_status xr_add_forward_cuda(const xr_add *a, xr_stream stream);
xr_status xr_add_backward_cpu(const xr_add *a);
xr_status xr_add_backward_cuda(const xr_add *a, xr_stream stream);

XR_C_END
