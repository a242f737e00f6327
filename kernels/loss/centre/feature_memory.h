/* The features of C identities, remembered over the steps: the means of a batch smoothed exponentially, and for each sample what is
 * remembered of its identity.
 *
 *   mean_p = mean of x_i over the samples i of identity p in this batch
 *   bank_p <- momentum bank_p + (1 - momentum) mean_p    for every p of the batch; bank_p <- mean_p where seen_p = 0;  seen_p <- 1
 *   y_i    = bank_(identity of i),   after this update
 *
 * There is no gradient. Seen is kept as f32, as checkpoints are.
 * An identity outside 0 .. C-1 is XR_BAD_INPUT (naming the sample) and nothing is written; on CUDA, where identities cannot be looked at
 * first, that sample's y becomes NaN and the state takes in the others.
 * 1 <= B < 2^31, C, D >= 1; 0 <= momentum < 1. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t batch, width, classes; /* B, D, C */
  float momentum;                /* 0.9 */
  const float *x;                /* [B, D] */
  const int32_t *identity;       /* [B] */
  float *bank;                   /* [C, D]: state */
  float *seen;                   /* [C]: state, 0 or 1 */
  float *y;                      /* [B, D] */
  void *workspace;               /* xr_feature_memory_workspace() bytes */
} xr_feature_memory;

xr_status xr_feature_memory_check(const xr_feature_memory *a); /* the arguments, not the data */
size_t xr_feature_memory_workspace(const xr_feature_memory *a);

xr_status xr_feature_memory_forward_cpu(const xr_feature_memory *a);
xr_status xr_feature_memory_forward_cuda(const xr_feature_memory *a, xr_stream stream);

XR_C_END
