/* Losses that draw the visible and the infrared samples of an identity together: rows 0 .. V-1 of B feature vectors x are visible, the
 * others infrared. Only identities with samples of both modalities count, and only their samples. P: their number, N: their samples'
 * number,
 *
 *   mu^v_p, mu^r_p   means of identity p's n^v_p visible and n^r_p infrared samples;  mu_p the mean of all of them
 *   D(a, b) = |a - b|^2,   d(a, b) = sqrt(max(D, 1e-12)): where the clamp holds d has no gradient
 *
 *   icm             pull/P sum over p of D(mu^v_p, mu^r_p)
 *                   + mine/2P sum over p of (max over visible i of D(x_i, mu^r_p) + max over infrared i of D(x_i, mu^v_p))
 *                   + push/2P sum over the 2P centres a of [rho + d(a, opposite of a) - min over other identities' 2P-2 centres b of d(a,
 * b)]+ Among equals the first sample, the first identity (by its first sample), the visible centre. Nothing is pushed where P = 1 hc sum
 * over p of [D(mu^v_p, mu^r_p) - hinge_margin]+ centre_cluster  1/N sum over i of [d(x_i, mu_p) - sample_margin]+ + mean over pairs p != q
 * of [centre_margin - d(mu_p, mu_q)]+ msel            mean over i of (mean d(x_i, x_j) over the other modality's j of i's identity - the
 * same over i's own modality, without i)^2; an i that is alone in its modality is not in the mean dcl             1/P sum over p of (mean
 * of d(x_i, mu_p) over p's samples) / (mean of d(x_j, mu_p) over those others' samples for which it is not above its mean over all
 * others'); which they are is a constant to the gradient. 0 where P = 1 mmd             1/P sum over p of kernels/loss/mmd.h between p's
 * visible and infrared samples
 *
 * With P = 0 (or msel without a term) the loss is 0. Forward writes the gradient for an upstream gradient of 1; backward scales it.
 *
 * icm: identity-aware centre mining of CSCL, whose formula is not public: a reconstruction. hc: Zhu et al., "Hetero-center loss", 2020.
 * centre_cluster: as in MPANet (Wu et al., CVPR 2021) and SAAI (Fang et al., ICCV 2023). msel, dcl: after Lu et al., "Learning progressive
 * modality-shared transformers" (PMT), AAAI 2023. 1 <= B <= 4096, 0 <= V <= B, D >= 1; weights and margins >= 0, gamma above 0. */
#pragma once

#include "kernels/loss/mmd.h"

XR_C_BEGIN

enum { XR_MINING_BATCH = 4096 /* the largest */ };

typedef enum {
  XR_MINING_ICM,
  XR_MINING_HC,
  XR_MINING_CENTRE_CLUSTER,
  XR_MINING_MSEL,
  XR_MINING_DCL,
  XR_MINING_MMD,
  XR_MINING_KINDS
} xr_mining_kind;

typedef struct {
  xr_mining_kind kind;
  float pull, mine, push, rho;        /* icm: 1, 0.5, 0.5, 0.3 */
  float hinge_margin;                 /* hc: 0.3 */
  float sample_margin, centre_margin; /* centre_cluster: 0.01, 0.7 */
  xr_mmd_options mmd;                 /* mmd */
} xr_mining_options;

typedef struct {
  int64_t batch, visible, width; /* B, V, D */
  xr_mining_options options;
  const float *x;          /* [B, D] */
  const int32_t *identity; /* [B]: any numbers */
  float *loss;             /* [1] */
  float *gradient;         /* [B, D]: forward writes, backward reads */
  void *workspace;         /* xr_centre_mining_workspace() bytes, forward only */
  /* backward */
  const float *dloss; /* [1] */
  float *dx;          /* [B, D], may be the memory of gradient */
  bool accumulate_dx;
} xr_centre_mining;

xr_status xr_centre_mining_check(const xr_centre_mining *a); /* the arguments, not the data */
size_t xr_centre_mining_workspace(const xr_centre_mining *a);

xr_status xr_centre_mining_forward_cpu(const xr_centre_mining *a);
xr_status xr_centre_mining_forward_cuda(const xr_centre_mining *a, xr_stream stream);
xr_status xr_centre_mining_backward_cpu(const xr_centre_mining *a);
xr_status xr_centre_mining_backward_cuda(const xr_centre_mining *a, xr_stream stream);

XR_C_END
