/* Maximum mean discrepancy of two clouds of vectors, X [N, D] and Y [M, D]: 0 where they are spread alike.
 *
 *   d(a, b) = sqrt(max(|a - b|^2, 1e-12))
 *   loss    = 1/N^2 sum_aa' k(x_a, x_a') + 1/M^2 sum_bb' k(y_b, y_b') - 2/(N M) sum_ab k(x_a, y_b)     (every pair, the diagonals too)
 *
 *   laplace  k = exp(-gamma d)        dk/da = -gamma k (a - b) / d
 *   gauss    k = exp(-gamma d^2)      dk/da = -2 gamma k (a - b)
 *
 * where the clamp holds the derivative is 0. With w the weight of a pair above, 1/N^2, 1/M^2 or -1/(N M), and z any row,
 *   dloss/dz_a = sum over all rows b of X and Y of 2 w_ab k'(d_ab) (z_a - z_b)
 *
 * Differences are formed element by element, in forward and in the gradient: a product of matrices would lose what nearly equal vectors
 * differ in. Forward writes the gradient for an upstream gradient of 1; backward scales it. Kim et al., "Improving cross-modal retrieval
 * with set of diverse embeddings" (CVPR 2023), uses laplace with gamma 0.5. N and M from 1 to 32,768, D >= 1; gamma finite, above 0. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef enum { XR_MMD_LAPLACE, XR_MMD_GAUSS, XR_MMD_KERNELS } xr_mmd_kernel;

typedef struct {
  xr_mmd_kernel kernel;
  float gamma;
} xr_mmd_options;

#define XR_MMD_CLAMP 1e-12f /* of squared distances */

typedef struct {
  int64_t rows[2], width; /* N, M; D */
  xr_mmd_options options;
  const float *x[2];  /* X [N, D], Y [M, D] */
  float *loss;        /* [1] */
  float *gradient[2]; /* [N, D], [M, D]: forward writes, backward reads */
  void *workspace;    /* xr_mmd_workspace() bytes, forward only: (N + M)^2 f32 and a little more */
  /* backward */
  const float *dloss; /* [1] */
  float *dx[2];       /* [N, D], [M, D], may be the memory of gradient; NULL: not wanted */
  bool accumulate_dx[2];
} xr_mmd;

xr_status xr_mmd_check(const xr_mmd *a); /* the arguments, not the data */
size_t xr_mmd_workspace(const xr_mmd *a);
xr_status xr_mmd_forward_cpu(const xr_mmd *a);
xr_status xr_mmd_forward_cuda(const xr_mmd *a, xr_stream stream);
xr_status xr_mmd_backward_cpu(const xr_mmd *a);
xr_status xr_mmd_backward_cuda(const xr_mmd *a, xr_stream stream);

XR_C_END
