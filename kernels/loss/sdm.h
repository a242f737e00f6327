/* Similarity distribution matching between B images (rows) and their B texts (columns).
 *
 *   p_ij = softmax over j of S_ij / tau                 q_ij = y_ij / sum over k of y_ik
 *   y_ij = 1 for the same label, `semi_weight` for the same label but another image, 0 otherwise
 *   D_ij = log p_ij - log(q_ij + eps),   KL_i = sum over j of p_ij D_ij,   eps = 1e-8 (XR_SDM_EPSILON)
 *   loss = mean over i of KL_i + the same of the transposed S
 *   gradient_ij = p_ij (D_ij - KL_i) / (B tau) + the same of the transposed S
 *
 * Image i and text i are a pair: they share labels[i] and image_id[i].
 * Forward writes the gradient for an upstream gradient of 1; backward only scales it: dS = dloss * gradient.
 *
 * Jiang, Ye, "Cross-modal implicit relation reasoning and aligning for text-to-image person retrieval", CVPR 2023; the weight of
 * other images of the same person is ours. B >= 1, tau > 0, 0 < semi_weight <= 1. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

#define XR_SDM_EPSILON 1e-8

typedef struct {
  int64_t batch;           /* B */
  float tau, semi_weight;  /* 0.02 and 1 in the paper */
  const float *similarity; /* [B, B], S: cosines */
  const int32_t *labels;   /* [B] identities */
  const int32_t *image_id; /* [B], or NULL: pairs of one identity all weigh 1 */
  float *loss;             /* [1] */
  float *gradient;         /* [B, B]: forward writes, backward reads */
  float *workspace;        /* xr_sdm_workspace() bytes, forward only */
  /* backward */
  const float *dloss; /* [1] */
  float *dsimilarity; /* [B, B], may be the memory of gradient */
  bool accumulate_dsimilarity;
} xr_sdm;

xr_status xr_sdm_check(const xr_sdm *a); /* the arguments, not the data: what every backend does first */
size_t xr_sdm_workspace(const xr_sdm *a);

xr_status xr_sdm_forward_cpu(const xr_sdm *a);
xr_status xr_sdm_forward_cuda(const xr_sdm *a, xr_stream stream);
xr_status xr_sdm_backward_cpu(const xr_sdm *a);
xr_status xr_sdm_backward_cuda(const xr_sdm *a, xr_stream stream);

XR_C_END
