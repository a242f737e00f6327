/* Dropout with inverted scaling.
 *
 *   y[i] = keep[i] x[i] / (1 - rate),   keep[i] = 1 if u[i] >= rate else 0
 *   u[i] = xr_uniform(word i % 4 of xr_seed_words(seed, node, i / 4)), a number in [0, 1)
 *
 * Backward makes the same mask again from the same seed: dx[i] = keep[i] dy[i] / (1 - rate). Dropped elements are 0 whatever x is.
 * Srivastava et al., "Dropout", 2014. 0 <= rate < 1. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/seed.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t count;
  xr_dtype dtype; /* of everything: XR_F32 or XR_BF16 */
  float rate;
  const xr_seed *seed; /* the same in forward and backward */
  uint64_t node;       /* makes the masks of different nodes independent */
  const void *x;       /* [count] */
  void *y;             /* [count], may be the memory of x */
  /* backward */
  const void *dy; /* [count] */
  void *dx;       /* [count], may be the memory of dy */
  bool accumulate_dx;
} xr_dropout;

xr_status xr_dropout_check(const xr_dropout *a); /* the arguments, not the data: what every backend does first */
xr_status xr_dropout_forward_cpu(const xr_dropout *a);
xr_status xr_dropout_forward_cuda(const xr_dropout *a, xr_stream stream);
xr_status xr_dropout_backward_cpu(const xr_dropout *a);
xr_status xr_dropout_backward_cuda(const xr_dropout *a, xr_stream stream);

XR_C_END
