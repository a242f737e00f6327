/* Adam and AdamW over all parameters at once, as torch.optim computes them (amsgrad off).
 *
 *   g  = gradient_scale * gradient
 *   Adam:  g += weight_decay * w          AdamW:  w -= lr_s * weight_decay * w        lr_s = lr * lr_factor of the segment
 *   m  = beta1 m + (1 - beta1) g          v  = beta2 v + (1 - beta2) g^2
 *   w -= lr_s / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)               t = step: 1, 2, ..
 *
 * The moments start as zeros. Kingma, Ba, "Adam", 2015; Loshchilov, Hutter, "Decoupled weight decay regularization", 2019. */
#pragma once

#include "kernels/common/stream.h"
#include "kernels/optimizer/segments.h"

XR_C_BEGIN

typedef struct {
  xr_segment_table table;
  double beta1, beta2;
  bool decoupled_decay; /* true: AdamW */
  const xr_optimizer_step *step;
  float *parameter; /* w */
  const float *gradient;
  float *first_moment, *second_moment; /* m, v */
  xr_bf16 *compute;                    /* bf16 copies of the parameters, or NULL when no segment has one */
} xr_adam;

xr_status xr_adam_cpu(const xr_adam *a);
xr_status xr_adam_cuda(const xr_adam *a, xr_stream stream);

XR_C_END
