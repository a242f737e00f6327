/* The length of the whole gradient, the clipping factor that follows from it, and where the gradient is not finite.
 *
 *   norm   = sqrt(sum over all segments of gradient^2)
 *   factor = min(1, max_norm / (norm + 1e-6)),  1 when max_norm is 0      (torch.nn.utils.clip_grad_norm_)
 *   first_bad = index of the first segment that holds a NaN or an infinity, -1 when there is none
 *
 * With a bad segment, norm and factor are NaN; with a `loss` that is not finite, factor is. `factor` may point at the gradient_scale of an
 * xr_optimizer_step: the optimisers then clip, and leave a step with a bad gradient or loss out. Sums are made in double precision over the
 * chunks of the table and added in a fixed order: the same for any number of threads. */
#pragma once

#include "kernels/common/stream.h"
#include "kernels/optimizer/segments.h"

XR_C_BEGIN

typedef struct {
  xr_segment_table table; /* its chunks are used */
  const float *gradient;
  const float *loss;  /* [1], the loss that the gradient is of; NULL: it is not looked at */
  float max_norm;     /* 0: no clipping */
  float *norm;        /* [1] */
  float *factor;      /* [1] */
  int32_t *first_bad; /* [1] */
  double *workspace;  /* xr_global_norm_workspace() bytes: a sum a chunk */
} xr_global_norm;

size_t xr_global_norm_workspace(const xr_global_norm *a);

xr_status xr_global_norm_check(const xr_global_norm *a); /* the arguments, not the data: what every backend does first */
xr_status xr_global_norm_cpu(const xr_global_norm *a);
xr_status xr_global_norm_cuda(const xr_global_norm *a, xr_stream stream);

XR_C_END
