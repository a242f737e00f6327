/* One token of each sample: the end-of-text token, say.
 *
 *   y[b, :] = x[b, index[b], :]
 *
 * Backward: dx[b, index[b], :] = dy[b, :]; the other rows of dx become 0 (assigning) or stay as they are (accumulating).
 * An index outside 0 .. tokens-1 is XR_BAD_INPUT (naming the sample) and nothing is written; on a GPU, where nobody looks first, that
 * sample's y and dx become NaN. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, tokens, width; /* B, N, D */
  xr_dtype dtype;               /* of x, y and their gradients: XR_F32 or XR_BF16 */
  const int32_t *index;         /* [B] */
  const void *x;                /* [B, N, D] */
  void *y;                      /* [B, D] */
  /* backward */
  const void *dy; /* [B, D] */
  void *dx;       /* [B, N, D] */
  bool accumulate_dx;
} xr_gather_rows;

xr_status xr_gather_rows_check(const xr_gather_rows *a); /* the arguments, not the data: what every backend does first */
xr_status xr_gather_rows_forward_cpu(const xr_gather_rows *a);
xr_status xr_gather_rows_forward_cuda(const xr_gather_rows *a, xr_stream stream);
xr_status xr_gather_rows_backward_cpu(const xr_gather_rows *a);
xr_status xr_gather_rows_backward_cuda(const xr_gather_rows *a, xr_stream stream);

XR_C_END
