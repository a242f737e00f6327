/* Alignment of identity centres over A = 2 or 3 sets of B feature vectors (0: images, 1: texts, 2: combined).
 *
 *   mu^a_p = mean of x^a_i over the n_p samples i of identity p; the x are L2-normalised, the centres are not normalised again
 *   cos(u, v) = u^ . v^,   u^ = u / sqrt(|u|^2 + 1e-12)
 *   loss = L_kind + separation_weight L_sep                                  sums over pairs: a < b, one or three of them
 *
 *   l2             L_kind = 1/P sum over p, pairs of |mu^a_p - mu^b_p|^2
 *   cosine                  1/P sum over p, pairs of 1 - cos(mu^a_p, mu^b_p)
 *   hetero_hinge            1/P sum over p, pairs of [|mu^a_p - mu^b_p|^2 - margin]+
 *   sdm                     sum over pairs of the loss of kernels/loss/sdm.h on the P x P matrix cos(mu^a_p, mu^b_q), every identity once
 *   triplet                 L_sep alone, with a weight of 1; separation_weight is not read
 *
 *   L_sep = 1/(A P) sum over a, p of the mean over b != a of [separation_margin + cos(mu^a_p, mu^b_q*) - cos(mu^a_p, mu^b_p)]+
 *   q* = the q != p with the largest cos(mu^a_p, mu^b_q), the lowest among equals, chosen for each (a, b, p); with P = 1 L_sep is 0
 *
 * P is the number of identities in the batch. All samples of an identity have the same gradient, so forward keeps it once an identity, for
 * an upstream gradient of 1; backward scales and hands it out: dx^a_i = dloss * gradient[a, segment[i]]. q* is a constant to the gradient.
 * With stop_gradient_combined set 2 is a constant, too.
 *
 * Sun et al., "Cross-modal symbiotic network", IEEE TIFS 2025, names the aligned centres but its formulas are not public: these forms are
 * reconstructions. hetero_hinge follows Zhu et al., "Hetero-center loss", 2020. 1 <= B < 2^31, D >= 1; margins, weight >= 0; tau > 0. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

#define XR_CENTRE_EPSILON 1e-12 /* under the root of a length */

enum { XR_CENTRE_SETS = 3 };

typedef enum { XR_CENTRE_L2, XR_CENTRE_COSINE, XR_CENTRE_HETERO_HINGE, XR_CENTRE_SDM, XR_CENTRE_TRIPLET, XR_CENTRE_KINDS } xr_centre_kind;

typedef struct {
  xr_centre_kind kind;
  float margin;                               /* of hetero_hinge: 0.3 */
  float tau;                                  /* of sdm */
  float separation_weight, separation_margin; /* 0, 0.2 */
  bool stop_gradient_combined;
} xr_centre_options;

typedef struct {
  int64_t batch, width; /* B, D */
  int sets;             /* A: 2 or 3 */
  xr_centre_options options;
  const float *x[XR_CENTRE_SETS]; /* [B, D] each */
  const int32_t *identity;        /* [B]: any numbers */
  float *loss;                    /* [1] */
  float *mean_count;              /* [1]: B / P; near 1 the centres are single samples */
  int32_t *segment;               /* [B]: forward writes, backward reads: the identity's number, in the order of first samples */
  float *gradient;                /* [A, B, D]: forward writes, backward reads: rows 0 .. P-1 of each set as above, the others 0 */
  void *workspace;                /* xr_centre_alignment_workspace() bytes, forward only */
  /* backward */
  const float *dloss;        /* [1] */
  float *dx[XR_CENTRE_SETS]; /* [B, D] each, or NULL */
  bool accumulate_dx[XR_CENTRE_SETS];
} xr_centre_alignment;

xr_status xr_centre_alignment_check(const xr_centre_alignment *a); /* the arguments, not the data: what every backend does first */
size_t xr_centre_alignment_workspace(const xr_centre_alignment *a);

xr_status xr_centre_alignment_forward_cpu(const xr_centre_alignment *a);
xr_status xr_centre_alignment_forward_cuda(const xr_centre_alignment *a, xr_stream stream);
xr_status xr_centre_alignment_backward_cpu(const xr_centre_alignment *a);
xr_status xr_centre_alignment_backward_cuda(const xr_centre_alignment *a, xr_stream stream);

XR_C_END
