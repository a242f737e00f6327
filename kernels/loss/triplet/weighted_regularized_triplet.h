/* Weighted regularized triplets on B feature vectors x: every sample of an anchor's identity pulls and all others push, each with a softmax
 * weight of its distance, so that there is no margin.
 *
 *   d_ij = sqrt(max(|x_i - x_j|^2, 1e-12));   dd_ij/dx_i = (x_i - x_j) / d_ij, 0 where the clamp holds: equal vectors are harmless
 *   positives P: j != i of i's identity;  negatives N: j of other identities
 *   w^p = softmax over P of d_ij,   w^n = softmax over N of -d_ij,   fp = sum of w^p d,  fn = sum of w^n d
 *   L_i = log(1 + exp(fp - fn));    loss = mean of L_i over the anchors that have a positive. Without a negative L_i is 0
 *
 *   dfp/dd_j = w^p_j (1 + d_j - fp),   dfn/dd_j = w^n_j (1 - d_j + fn),   dL/dfp = -dL/dfn = sigmoid(fp - fn)
 *
 *   square      q = min(gamma (fp - fn)^2, clamp), s = 1 where fp > fn, else -1:  L_i = log(1 + exp(s q)),
 *               dL/d(fp - fn) = 2 gamma (fp - fn) s sigmoid(s q), and 0 where the clamp holds
 *
 *   compat agw  the arithmetic of the published code, of which two things differ: the anchor is a positive, too (at d = 1e-6, or the
 * clamp's root), so that every anchor counts; and weights are e^(v - m) / (sum e^(v - m) + 1e-6) with v = d or -d and m the largest of v
 * over the whole row, where samples that do not count stand as 0. So m = 0 for negatives: at distances beyond 14 or so their weights no
 * longer add up to 1, beyond 20 they vanish and fn with them. m of the positives is the farthest one's distance and has a gradient, dfp/dm
 * = -fp 1e-6 / (sum + 1e-6). Without a negative fn is 0
 *
 * Forward writes the gradient for an upstream gradient of 1; backward scales it: dx = dloss * gradient.
 *
 * Ye et al., "Deep learning for person re-identification: a survey and outlook" (AGW), 2021; square: Ye et al., "Channel augmented joint
 * learning" (CAJ), ICCV 2021, gamma 1, clamp 88 (SGIEL: 10). 1 <= B <= 4096, D >= 1; gamma, clamp > 0. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

enum { XR_WRT_BATCH = 4096 /* the largest */ };

typedef struct {
  bool agw;           /* compat */
  bool square;        /* and with it: */
  float gamma, clamp; /* 1, 88 */
} xr_wrt_options;

typedef struct {
  int64_t batch, width; /* B, D */
  xr_wrt_options options;
  const float *x;          /* [B, D] */
  const int32_t *identity; /* [B]: any numbers */
  float *loss;             /* [1] */
  float *gradient;         /* [B, D]: forward writes, backward reads */
  void *workspace;         /* xr_weighted_regularized_triplet_workspace() bytes, forward only */
  /* backward */
  const float *dloss; /* [1] */
  float *dx;          /* [B, D], may be the memory of gradient */
  bool accumulate_dx;
} xr_weighted_regularized_triplet;

xr_status xr_weighted_regularized_triplet_check(const xr_weighted_regularized_triplet *a); /* the arguments, not the data */
size_t xr_weighted_regularized_triplet_workspace(const xr_weighted_regularized_triplet *a);

xr_status xr_weighted_regularized_triplet_forward_cpu(const xr_weighted_regularized_triplet *a);
xr_status xr_weighted_regularized_triplet_forward_cuda(const xr_weighted_regularized_triplet *a, xr_stream stream);
xr_status xr_weighted_regularized_triplet_backward_cpu(const xr_weighted_regularized_triplet *a);
xr_status xr_weighted_regularized_triplet_backward_cuda(const xr_weighted_regularized_triplet *a, xr_stream stream);

XR_C_END
