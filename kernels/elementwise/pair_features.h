/* Two feature vectors side by side with what tells them apart: out = [v ; t ; v t ; |v - t|], products and differences by element.
 *
 * Backward, with dout = [a ; b ; c ; d] and s = sign(v - t), 0 where v = t:
 *   dv = a + c t + s d,   dt = b + c v - s d
 *
 * rows >= 0, cols >= 1. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t rows, cols; /* R, D */
  xr_dtype dtype;     /* of everything: XR_F32 or XR_BF16 */
  const void *v, *t;  /* [R, D] */
  void *out;          /* [R, 4 D] */
  /* backward */
  const void *dout; /* [R, 4 D] */
  void *dv, *dt;    /* [R, D] or NULL; may be the same memory when accumulate_dt */
  bool accumulate_dv, accumulate_dt;
} xr_pair_features_args;

xr_status xr_pair_features_check(const xr_pair_features_args *a); /* the arguments, not the data: what every backend does first */
xr_status xr_pair_features_forward_cpu(const xr_pair_features_args *a);
xr_status xr_pair_features_forward_cuda(const xr_pair_features_args *a, xr_stream stream);
xr_status xr_pair_features_backward_cpu(const xr_pair_features_args *a);
xr_status xr_pair_features_backward_cuda(const xr_pair_features_args *a, xr_stream stream);

XR_C_END
