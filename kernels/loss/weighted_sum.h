/* The total of several losses: total = sum over i of weight[i] * loss[i]. Backward: dloss[i] = weight[i] * dtotal.
 *
 * Terms are added in order, in double precision. 1 to XR_MAX_LOSSES terms. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

enum { XR_MAX_LOSSES = 16 };

typedef struct {
  int terms;
  float weight[XR_MAX_LOSSES];
  const float *loss[XR_MAX_LOSSES]; /* [1] each */
  float *total;                     /* [1] */
  /* backward */
  const float *dtotal;         /* [1] */
  float *dloss[XR_MAX_LOSSES]; /* [1] each, or NULL */
  bool accumulate_dloss[XR_MAX_LOSSES];
} xr_weighted_sum;

xr_status xr_weighted_sum_check(const xr_weighted_sum *a); /* the arguments, not the data: what every backend does first */
xr_status xr_weighted_sum_forward_cpu(const xr_weighted_sum *a);
xr_status xr_weighted_sum_forward_cuda(const xr_weighted_sum *a, xr_stream stream);
xr_status xr_weighted_sum_backward_cpu(const xr_weighted_sum *a);
xr_status xr_weighted_sum_backward_cuda(const xr_weighted_sum *a, xr_stream stream);

XR_C_END
