/* Alignment to remembered identity centres: A = 2 or 3 sets of B feature vectors, and for each set a bank of C centres that follow the
 * means of the batches. It needs no two samples of an identity in a batch.
 *
 *   mu^a_p  = mean of x^a_i over the samples i of identity p in this batch; the x are L2-normalised, means and banks are not normalised
 *   bank^a_p <- momentum bank^a_p + (1 - momentum) mu^a_p     for every p of the batch; bank^a_p <- mu^a_p where seen_p = 0;  seen_p <- 1
 *   loss    = 1/(2B) sum over i and ordered pairs a != b of |x^a_i - bank^b_(identity of i)|^2,   the banks after this update
 *   dx^a_i  = dloss / B sum over b != a of (x^a_i - bank^b_(identity of i))
 *
 * The banks are constants to the gradient, the batch's own share in them included. Where every identity has one sample and momentum is 0,
 * the loss is that of kind l2 of centre_alignment.h. With stop_gradient_combined the gradient of set 2 is 0.
 *
 * Forward changes the state (bank, seen); backward reads the banks that forward left. Seen is kept as f32, as checkpoints are.
 * An identity outside 0 .. C-1 is XR_BAD_INPUT (naming the sample) and nothing is written; on CUDA, where identities cannot be looked at
 * first, the loss and that sample's gradients become NaN and the state takes in the others.
 *
 * A reconstruction, see centre_alignment.h.
 * 1 <= B < 2^31, C, D >= 1; 0 <= momentum < 1. */
#pragma once

#include "kernels/loss/centre/centre_alignment.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, width, classes; /* B, D, C */
  int sets;                      /* A: 2 or 3 */
  float momentum;                /* 0.9 */
  bool stop_gradient_combined;
  const float *x[XR_CENTRE_SETS]; /* [B, D] each */
  const int32_t *identity;        /* [B] */
  float *bank[XR_CENTRE_SETS];    /* [C, D] each: state */
  float *seen;                    /* [C]: state, 0 or 1 */
  float *loss;                    /* [1] */
  void *workspace;                /* xr_centre_memory_workspace() bytes, forward only */
  /* backward: reads x, identity and bank */
  const float *dloss;        /* [1] */
  float *dx[XR_CENTRE_SETS]; /* [B, D] each, or NULL */
  bool accumulate_dx[XR_CENTRE_SETS];
} xr_centre_memory;

xr_status xr_centre_memory_check(const xr_centre_memory *a); /* the arguments, not the data: what every backend does first */
size_t xr_centre_memory_workspace(const xr_centre_memory *a);

xr_status xr_centre_memory_forward_cpu(const xr_centre_memory *a);
xr_status xr_centre_memory_forward_cuda(const xr_centre_memory *a, xr_stream stream);
xr_status xr_centre_memory_backward_cpu(const xr_centre_memory *a);
xr_status xr_centre_memory_backward_cuda(const xr_centre_memory *a, xr_stream stream);

XR_C_END
