/* Mean over the valid tokens of each sample.
 *
 *   y[b, :] = (1 / c_b) sum over first <= t < length[b] of x[b, t, :],   c_b = length[b] - first
 *
 * Backward: dx[b, t, :] = dy[b, :] / c_b for first <= t < length[b], 0 elsewhere. A sample without a valid token (c_b <= 0) gives
 * 0 and has no gradient. A length outside 0 .. tokens is XR_BAD_INPUT (naming the sample) and nothing is written; on a GPU, where
 * nobody looks first, it makes the sample's y and dx NaN. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, tokens, width, first; /* B, N, D */
  xr_dtype dtype;                      /* of x, y and their gradients: XR_F32 or XR_BF16 */
  const int32_t *length;               /* [B], or NULL: every length is N */
  const void *x;                       /* [B, N, D] */
  void *y;                             /* [B, D] */
  /* backward */
  const void *dy; /* [B, D] */
  void *dx;       /* [B, N, D] */
  bool accumulate_dx;
} xr_masked_mean;

xr_status xr_masked_mean_check(const xr_masked_mean *a); /* the arguments, not the data: what every backend does first */
xr_status xr_masked_mean_forward_cpu(const xr_masked_mean *a);
xr_status xr_masked_mean_forward_cuda(const xr_masked_mean *a, xr_stream stream);
xr_status xr_masked_mean_backward_cpu(const xr_masked_mean *a);
xr_status xr_masked_mean_backward_cuda(const xr_masked_mean *a, xr_stream stream);

XR_C_END
