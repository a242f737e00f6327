/* Two tensors mixed by a gate, elementwise: out = s a + (1 - s) b, s = 1 / (1 + exp(-z)).
 * Backward: da = s dout, db = (1 - s) dout, dz = s (1 - s) (a - b) dout. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t count;
  xr_dtype dtype;        /* of everything: XR_F32 or XR_BF16 */
  const void *z, *a, *b; /* [count] */
  void *out;             /* [count], may be the memory of any input */
  /* backward */
  const void *dout;   /* [count] */
  void *dz, *da, *db; /* [count] or NULL; one may be the memory of dout. A later one may be an earlier one's memory when it accumulates */
  bool accumulate_dz, accumulate_da, accumulate_db;
} xr_gated_mix_args;

xr_status xr_gated_mix_check(const xr_gated_mix_args *a); /* the arguments, not the data: what every backend does first */
xr_status xr_gated_mix_forward_cpu(const xr_gated_mix_args *a);
xr_status xr_gated_mix_forward_cuda(const xr_gated_mix_args *a, xr_stream stream);
xr_status xr_gated_mix_backward_cpu(const xr_gated_mix_args *a);
xr_status xr_gated_mix_backward_cuda(const xr_gated_mix_args *a, xr_stream stream);

XR_C_END
