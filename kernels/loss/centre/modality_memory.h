/* Visible and infrared samples drawn to remembered identity centres of the opposite modality: rows 0 .. V-1 of B feature vectors x are
 * visible (side 0), the others infrared (side 1); for each side a bank of C centres follows the means of the batches.
 *
 *   mu^s_p   = mean of the batch's samples of identity p and side s;  neither means nor banks are normalised
 *   bank^s_p <- momentum bank^s_p + (1 - momentum) mu^s_p    for every (p, s) of the batch; bank^s_p <- mu^s_p where seen^s_p = 0; seen^s_p
 * <- 1 loss     = 1/N sum over the N samples i with seen^t_p = 1 of |x_i - bank^t_p|^2,   p = i's identity, t the side that i is not of;
 *              after this update; 0 where N = 0
 *   dx_i     = dloss 2/N (x_i - bank^t_p)
 *
 * The banks are constants to the gradient, the batch's own share in them included. It needs no identity in both modalities of one batch.
 * Forward changes the state (bank, seen); backward reads the banks that forward left. Seen is kept as f32, as checkpoints are.
 * An identity outside 0 .. C-1 is XR_BAD_INPUT (naming the sample) and nothing is written; on CUDA, where identities cannot be looked at
 * first, the loss and all gradients become NaN and the state takes in the others.
 *
 * A reconstruction, see centre_mining.h. 1 <= B < 2^31, 0 <= V <= B, C, D >= 1; 0 <= momentum < 1. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, visible, width, classes; /* B, V, D, C */
  float momentum;                         /* 0.9 */
  const float *x;                         /* [B, D] */
  const int32_t *identity;                /* [B] */
  float *bank[2];                         /* [C, D] each: state; visible, infrared */
  float *seen;                            /* [2, C]: state, 0 or 1 */
  float *loss;                            /* [1] */
  float *scale;                           /* [1]: 2/N, or 0: forward writes, backward reads */
  void *workspace;                        /* xr_modality_memory_workspace() bytes, forward only */
  /* backward: reads x, identity and the state */
  const float *dloss; /* [1] */
  float *dx;          /* [B, D] */
  bool accumulate_dx;
} xr_modality_memory;

xr_status xr_modality_memory_check(const xr_modality_memory *a); /* the arguments, not the data */
size_t xr_modality_memory_workspace(const xr_modality_memory *a);

xr_status xr_modality_memory_forward_cpu(const xr_modality_memory *a);
xr_status xr_modality_memory_forward_cuda(const xr_modality_memory *a, xr_stream stream);
xr_status xr_modality_memory_backward_cpu(const xr_modality_memory *a);
xr_status xr_modality_memory_backward_cuda(const xr_modality_memory *a, xr_stream stream);

XR_C_END
