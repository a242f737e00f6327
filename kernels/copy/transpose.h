/* Axes of a tensor in another order.
 *
 *   axis k of y is axis order[k] of x:   y[i_0, .., i_(r-1)] = x[j],  j_(order[k]) = i_k
 *
 * Backward: dx is dy with the inverse order. 1 to XR_MAX_TRANSPOSE axes; `order` holds each of 0 .. rank-1 once. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

enum { XR_MAX_TRANSPOSE = 4 };

typedef struct {
  int rank;
  int64_t dim[XR_MAX_TRANSPOSE]; /* of x; y has dim[order[k]] */
  int order[XR_MAX_TRANSPOSE];
  xr_dtype dtype; /* of everything: XR_F32 or XR_BF16 */
  const void *x;
  void *y;
  /* backward */
  const void *dy; /* y's shape */
  void *dx;       /* x's shape */
  bool accumulate_dx;
} xr_transpose;

/* How both passes go, on every backend: a dense tensor [dim] filled from one where neighbours along axis k are stride[k] elements apart.
 * Axes are padded to XR_MAX_TRANSPOSE in front. stride[fast] is 1. */
typedef struct {
  int64_t dim[XR_MAX_TRANSPOSE], stride[XR_MAX_TRANSPOSE];
  int fast;
} xr_transpose_walk;

xr_status xr_transpose_forward_walk(const xr_transpose *a, xr_transpose_walk *w); /* checks the arguments, too */
xr_status xr_transpose_backward_walk(const xr_transpose *a, xr_transpose_walk *w);

xr_status xr_transpose_forward_cpu(const xr_transpose *a);
xr_status xr_transpose_forward_cuda(const xr_transpose *a, xr_stream stream);
xr_status xr_transpose_backward_cpu(const xr_transpose *a);
xr_status xr_transpose_backward_cuda(const xr_transpose *a, xr_stream stream);

XR_C_END
