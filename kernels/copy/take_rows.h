/* Some rows of a matrix: those of the words that a masked-language loss asks for, say.
 *
 *   y[r, :] = x[index[r], :], or 0 where index[r] is -1
 *
 * Backward: dx[index[r], :] = dy[r, :]; the other rows of dx become 0 (assigning) or stay as they are (accumulating).
 *
 * Indices ascend and every -1 stands behind them, so no row is taken twice and backward finds a row's place by bisection. Other indices
 * are XR_BAD_INPUT (naming the place) and nothing is written; on a GPU, where nobody looks first, y is NaN in each row whose index lies
 * outside the matrix or does not ascend, and dx may hold anything. Rows and taken rows are below 2^31. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t rows, width, taken; /* N, D, R */
  xr_dtype dtype;             /* of x, y and their gradients: XR_F32 or XR_BF16 */
  const int32_t *index;       /* [R] */
  const void *x;              /* [N, D] */
  void *y;                    /* [R, D] */
  /* backward */
  const void *dy; /* [R, D] */
  void *dx;       /* [N, D] */
  bool accumulate_dx;
} xr_take_rows;

xr_status xr_take_rows_check(const xr_take_rows *a); /* the arguments, not the data: what every backend does first */
xr_status xr_take_rows_forward_cpu(const xr_take_rows *a);
xr_status xr_take_rows_forward_cuda(const xr_take_rows *a, xr_stream stream);
xr_status xr_take_rows_backward_cpu(const xr_take_rows *a);
xr_status xr_take_rows_backward_cuda(const xr_take_rows *a, xr_stream stream);

XR_C_END
