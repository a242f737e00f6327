/* Adaptive semantic margins: triplets on the similarities of B images (rows) and their B texts (columns), whose margin depends on what the
 * samples mean.
 *
 * An anchor is an image i (candidates: the texts, row i of S) or a text (candidates: the images, its column of S; read S as its transpose).
 * Candidate j is the anchor's own (j = i), an equivalent of it (the same image), of the same identity, or a negative: another image of
 * another identity.
 *
 *   pos_i = sum over positives p of alpha_ip S_ip
 *   L_i   = R over negatives j of [m_ij - pos_i + S_ij]+
 *   loss  = 1/2 (mean over the B images of L_i + mean over the B texts of L_i)
 *
 *   reduction  hardest: the largest hinge.  sum: the sum of the hinges.
 *              lse: L_i = [tau log sum_j exp((S_ij + m_ij) / tau) - pos_i]+
 *   positives  paired: pos = S_ii.
 *              all_same_pid: the own, its equivalents and all of the same identity, alpha = 1 / their number.
 *              all_same_pid_soft: alpha = softmax over them of S_ip / tau, a constant to the gradient
 *
 * An anchor without negatives adds 0. Of equal hinges the one of the lowest j is the hardest. Margins are constants to the gradient, and so
 * is what they are made from. With C_ij the cosine of what samples i and j mean (the matrix `semantic`, no gradient) and D = margin_max -
 * margin_min:
 *
 *   kind         m_ij
 *   neg_sem      margin_min + D (1 - sem_ij),  sem_ij = (1 + C_ij) / 2: small for negatives that mean nearly the same. stretch: sem_ij =
 *                (C_ij - lowest) / (highest - lowest) over the anchor's negatives, 1/2 where these differ by 1e-6 or less
 *   commonality  the same with the mean of C_ab over all samples a of i's identity and b of j's identity in place of C_ij
 *   quality      margin_min + D q_i,  q_i = (length_i - shortest) / (longest - shortest) over the batch, 1/2 where all are equal: large for
 *                anchors whose caption says much
 *   pos_ratio    margin (1 + min(1, |semi_i| / |S_ii|)) / 2,  semi_i the mean S_ij over other images of the same identity; the ratio is 1
 *                where there is none or S_ii = 0
 *   fixed        margin
 *
 * Kind asmr has no triplets, and neither reduction nor positives nor identities:
 *
 *   loss = mean over all i, j of (S_ij - mean S - y_ij)^2,   y_ij = 1 / (1 + exp(d_ij / 10 - 1))
 *   d_ij = distance_scale sqrt(2 - 2 C_ij): the scaled distance of unit vectors with these cosines; d_ii = 0
 *   dS_ij = 2/B^2 (S_ij - mean S - y_ij + mean y);   a batch of one has nothing to compare: 0
 *
 * For text anchors C is read in its rows, too: m_ij depends on C_(anchor, candidate). Forward writes the gradient for an upstream gradient
 * of 1; backward scales it: dS = dloss * gradient. A NaN in what an anchor reads of S and C makes the loss NaN.
 *
 * What is published, and what is a reading of it:
 *
 *   neg_sem      The paper on embedding sets (docs/methods/esa.md) names the margin, but its formula is not public: a reconstruction.
 *   pos_ratio    Ding et al., "Semantically self-aligned network", 2021: (1 + min(1, semi / pos)) m / 2 is the margin of its weakly
 *                positive pairs. That it serves the anchor's own pair is our reading.
 *   quality      After SCMM, arXiv 2304.02278: margins that follow the captions' quality. Length as quality, and the line, are ours.
 *   commonality  After Park et al., arXiv 2501.00318: margins that shrink with what two identities have in common. The estimate is
 *                ours.
 *   asmr         Jeong et al., "ASMR", 2021: the regression and y are published. There d is a weighted difference of attributes, for
 *                which the distance of captions' embeddings stands in here.
 *   fixed        Faghri et al., "VSE++", 2018: hardest, and sum, with one margin.
 *
 * Kind fixed with lse and all_same_pid_soft is 1 / 2B of the triplet alignment loss of Qin et al., "RDE", 2024.
 *
 * 1 <= B < 2^30; margins >= 0, margin_min <= margin_max; tau > 0 where lse or soft reads it; distance_scale > 0. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef enum {
  XR_MARGIN_NEG_SEM,
  XR_MARGIN_COMMONALITY,
  XR_MARGIN_QUALITY,
  XR_MARGIN_POS_RATIO,
  XR_MARGIN_FIXED,
  XR_MARGIN_ASMR,
  XR_MARGIN_KINDS
} xr_margin_kind;
typedef enum { XR_MARGIN_HARDEST, XR_MARGIN_SUM, XR_MARGIN_LSE, XR_MARGIN_REDUCTIONS } xr_margin_reduction;
typedef enum { XR_MARGIN_PAIRED, XR_MARGIN_ALL_SAME_PID, XR_MARGIN_ALL_SAME_PID_SOFT, XR_MARGIN_POSITIVES } xr_margin_positives;

typedef struct {
  xr_margin_kind kind;
  xr_margin_reduction reduction;
  xr_margin_positives positives;
  bool stretch;                 /* of neg_sem and commonality */
  float margin;                 /* of fixed and pos_ratio: 0.2 */
  float margin_min, margin_max; /* of the others: 0.05, 0.3 */
  float tau;                    /* of lse and of soft positives: 0.02 to 0.05 */
  float distance_scale;         /* of asmr: 10 */
} xr_margin_options;

typedef struct {
  int64_t batch; /* B */
  xr_margin_options options;
  const float *similarity; /* [B, B], S */
  const float *semantic;   /* [B, B], C; kinds that xr_margin_reads_semantic(), else not read */
  const int32_t *identity; /* [B] */
  const int32_t *image;    /* [B], or NULL: every sample has an image of its own */
  const int32_t *length;   /* [B]: tokens of the captions; kind quality, else not read */
  float *loss;             /* [1] */
  float *gradient;         /* [B, B]: forward writes, backward reads */
  void *workspace;         /* xr_semantic_margin_workspace() bytes, 8-byte aligned, forward only */
  /* backward */
  const float *dloss; /* [1] */
  float *dsimilarity; /* [B, B], may be the memory of gradient */
  bool accumulate_dsimilarity;
} xr_semantic_margin;

bool xr_margin_reads_semantic(xr_margin_kind kind);

xr_status xr_semantic_margin_check(const xr_semantic_margin *a); /* the arguments, not the data */
size_t xr_semantic_margin_workspace(const xr_semantic_margin *a);

xr_status xr_semantic_margin_forward_cpu(const xr_semantic_margin *a);
xr_status xr_semantic_margin_forward_cuda(const xr_semantic_margin *a, xr_stream stream);
xr_status xr_semantic_margin_backward_cpu(const xr_semantic_margin *a);
xr_status xr_semantic_margin_backward_cuda(const xr_semantic_margin *a, xr_stream stream);

XR_C_END
