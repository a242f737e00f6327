/* Samples of a batch in any order, as often as wanted: the partners of pairs.
 *
 *   y[p, :] = x[index[p], :]
 *
 * Backward: dx[b, :] = the sum of dy[p, :] over the places p with index[p] = b, in rising p (0 for a sample that is not picked); when
 * accumulating it is added. Sums are f32.
 * An index outside 0 .. samples-1 is XR_BAD_INPUT (naming its place) and nothing is written; on a GPU, where nobody looks first, that place
 * of y becomes NaN (every bit set for i32, which is -1) and its dy is left out. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t samples, places, width; /* B, P, elements of a sample */
  xr_dtype dtype;                 /* of x, y and their gradients: XR_F32 or XR_BF16; XR_I32 has no backward */
  const int32_t *index;           /* [P] */
  const void *x;                  /* [B, width] */
  void *y;                        /* [P, width] */
  /* backward */
  const void *dy; /* [P, width] */
  void *dx;       /* [B, width] */
  bool accumulate_dx;
} xr_gather_samples;

xr_status xr_gather_samples_check(const xr_gather_samples *a); /* the arguments, not the data: what every backend does first */
xr_status xr_gather_samples_forward_cpu(const xr_gather_samples *a);
xr_status xr_gather_samples_forward_cuda(const xr_gather_samples *a, xr_stream stream);
xr_status xr_gather_samples_backward_cpu(const xr_gather_samples *a);
xr_status xr_gather_samples_backward_cuda(const xr_gather_samples *a, xr_stream stream);

XR_C_END
