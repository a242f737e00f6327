/* How much the elements of an embedding set differ, for B sets U [B, K, D]: a number for each set, then the mean over the sets.
 *
 *   uniformity   mean over k < l of exp(-2 |u_k - u_l|^2)           d/du_k = sum_l -4 (u_k - u_l) e_kl 2 / (K (K-1))     (DivE)
 *   diversity    F / K^2,  F = sqrt(sum over k != l of g_kl^2)      d/du_k = sum_{l != k} 2 g_kl u_l / (F K^2)           (PVSE)
 *   cosine       mean over k != l of g_kl                           d/du_k = sum_{l != k} 2 u_l / (K (K-1))
 *
 * with g_kl = <u_k, u_l> and e_kl the exponential; all gradients are divided by B. Vectors are used as they are: unit vectors are meant.
 * A set of one element counts as 0; the gradient of diversity is 0 where F = 0. Backward computes the pairs again.
 *
 * DivE: Kim et al., "Improving cross-modal retrieval with set of diverse embeddings", CVPR 2023. PVSE: Song and Soleymani, "Polysemous
 * visual-semantic embedding", CVPR 2019. B >= 1, 1 <= K <= XR_MAX_SET_SIZE, D >= 1. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"
#include "kernels/embedding_set/set_kinds.h"

XR_C_BEGIN

typedef enum { XR_SPREAD_UNIFORMITY, XR_SPREAD_DIVERSITY, XR_SPREAD_COSINE, XR_SPREAD_KINDS } xr_spread_kind;

typedef struct {
  int64_t batch, size, width; /* B, K, D */
  xr_spread_kind kind;
  const float *x;   /* [B, K, D] */
  float *loss;      /* [1] */
  float *workspace; /* [B] f32, forward only: the number of each set */
  /* backward: reads x, too */
  const float *dloss; /* [1] */
  float *dx;          /* [B, K, D] */
  bool accumulate_dx;
} xr_set_spread;

xr_status xr_set_spread_check(const xr_set_spread *a); /* the arguments, not the data */
size_t xr_set_spread_workspace(const xr_set_spread *a);
xr_status xr_set_spread_forward_cpu(const xr_set_spread *a);
xr_status xr_set_spread_forward_cuda(const xr_set_spread *a, xr_stream stream);
xr_status xr_set_spread_backward_cpu(const xr_set_spread *a);
xr_status xr_set_spread_backward_cuda(const xr_set_spread *a, xr_stream stream);

XR_C_END
