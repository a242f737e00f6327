/* Stochastic gradient descent with momentum over all parameters at once, as torch.optim.SGD computes it (dampening 0).
 *
 *   g  = gradient_scale * gradient + weight_decay * w
 *   u  = g in the first step, momentum * u + g later
 *   w -= lr * lr_factor * (nesterov ? g + momentum * u : u)
 *
 * The first step does not read u. With momentum 0 there is no u: it may be NULL. Segments' eps is not used. */
#pragma once

#include "kernels/common/stream.h"
#include "kernels/optimizer/segments.h"

XR_C_BEGIN

typedef struct {
  xr_segment_table table;
  float momentum; /* 0 to below 1 */
  bool nesterov;  /* needs momentum */
  const xr_optimizer_step *step;
  float *parameter; /* w */
  const float *gradient;
  float *momentum_buffer; /* u */
  xr_bf16 *compute;       /* bf16 copies of the parameters, or NULL when no segment has one */
} xr_sgd;

xr_status xr_sgd_check(const xr_sgd *a); /* the arguments, not the data: what every backend does first */
xr_status xr_sgd_cpu(const xr_sgd *a);
xr_status xr_sgd_cuda(const xr_sgd *a, xr_stream stream);

XR_C_END
