/* Softmax cross-entropy with label smoothing, loss and gradient in one go.
 *
 *   p_c      = softmax over c of logits[r, :]
 *   row_loss = - (1 - e) log p_y - (e / C) sum over c of log p_c           y = labels[r], e = smoothing
 *   loss     = sum of row_loss / divisor
 *   gradient[r, c] = (p_c - e / C - (1 - e) [c = y]) / divisor
 *
 * A row with the label -1 is left out: its row_loss and gradient are 0. `divisor` 0 stands for the number of rows that count here
 * (none: loss and gradients are 0); a data-parallel run gives the number of all ranks together.
 *
 * Forward writes the gradient for an upstream gradient of 1; backward only scales it: dlogits = dloss * gradient.
 *
 * Arithmetic is f32 for every dtype. A label outside -1 .. C-1 is XR_BAD_INPUT (naming the row) and nothing is written; on CUDA, where
 * labels cannot be looked at first, the loss and that row's row_loss and gradient become NaN. Any rows, classes 1 to 2^31 - 1,
 * 0 <= smoothing < 1, divisor >= 0. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t rows, classes; /* R, C */
  xr_dtype dtype;        /* of logits, gradient and dlogits: XR_F32 or XR_BF16 */
  float smoothing, divisor;
  const void *logits;    /* [R, C] */
  const int32_t *labels; /* [R] */
  float *loss;           /* [1] */
  float *row_loss;       /* [R], not divided */
  void *gradient;        /* [R, C]: forward writes, backward reads. May be the memory of logits. NULL: the loss alone */
  /* backward */
  const float *dloss; /* [1] */
  void *dlogits;      /* [R, C], may be the memory of gradient */
  bool accumulate_dlogits;
} xr_cross_entropy;

xr_status xr_cross_entropy_check(const xr_cross_entropy *a); /* the arguments, not the data: what every backend does first */
xr_status xr_cross_entropy_forward_cpu(const xr_cross_entropy *a);
xr_status xr_cross_entropy_forward_cuda(const xr_cross_entropy *a, xr_stream stream);
xr_status xr_cross_entropy_backward_cpu(const xr_cross_entropy *a);
xr_status xr_cross_entropy_backward_cuda(const xr_cross_entropy *a, xr_stream stream);

XR_C_END
