/* Semi-positive triplets on the cosines of B images (rows) and their B texts (columns): own pair >= same identity >= others.
 *
 * An anchor is an image i (candidates: the texts, row i of S) or a text (candidates: the images, its column of S; read S as its transpose).
 * Candidate j is, by image[] and identity[],
 *   the anchor's own, or equivalent to it   the same image: only S_ii, the anchor's own, is used
 *   semi-positive                           another image of the same identity
 *   negative                                another image of another identity
 *
 *   pos = S_ii,   semi = S_ij of the semi-positive mined,   neg = S_ij of the negative mined
 *   L_i = [margin - pos + neg]+ + beta [m2 - semi + neg]+ + gamma [order_margin - pos + semi]+
 *   m2  = margin (1 + min(1, |semi| / |pos|)) / 2, the ratio being 1 where pos = 0; before `adaptive_from`: margin / 2
 *   loss = 1/2 (mean over the B images of L_i + mean over the B texts of L_i)
 *
 * An anchor without semi-positives has the first hinge only; one without a negative (or, semi_hard, without a candidate) adds 0.
 *
 *   kind       three_tier: as above.  ssan_cr: without the third hinge.  soft: neg = tau log sum over negatives j of exp(S_ij / tau)
 *   semi       hard: the smallest S_ij.  mean: the mean S_ij of all.  random: one of them
 *   negative   hard: the largest S_ij.  semi_hard: a random one with 0 < margin - pos + S_ij < margin.  random: one of them.  soft reads
 * all
 *
 * Among equals mining takes the lowest j. Random choices: with w = xr_seed_words(seed, node, i) for an image, (seed, node, B + i) for a
 * text, and n candidates in rising order, semi is number xr_below(w[0], n), neg is number xr_below(w[1], n). What is mined, and m2, are
 * constants to the gradient. Forward writes the gradient for an upstream gradient of 1; backward scales it: dS = dloss * gradient.
 *
 * Sun et al., "Cross-modal symbiotic network", IEEE TIFS 2025, names the loss but its formula is not public: this form is a reconstruction
 * after the compound ranking loss of Ding et al., "Semantically self-aligned network", 2021, whose choices are ssan_cr with semi random and
 * negative semi_hard. B >= 1; margins, beta, gamma >= 0; tau > 0. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/seed.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef enum { XR_TRIPLET_THREE_TIER, XR_TRIPLET_SSAN_CR, XR_TRIPLET_SOFT, XR_TRIPLET_KINDS } xr_triplet_kind;
typedef enum { XR_SEMI_HARD, XR_SEMI_MEAN, XR_SEMI_RANDOM, XR_SEMI_MININGS } xr_semi_mining;
typedef enum { XR_NEGATIVE_HARD, XR_NEGATIVE_SEMI_HARD, XR_NEGATIVE_RANDOM, XR_NEGATIVE_MININGS } xr_negative_mining;

typedef struct {
  xr_triplet_kind kind;
  xr_semi_mining semi;
  xr_negative_mining negative;
  float margin, beta, gamma, order_margin; /* m1, beta, gamma, m3: 0.2, 0.1, 0, 0.05 */
  float tau;                               /* of soft */
  int64_t adaptive_from;                   /* the step (seed->counter) from which m2 adapts; 0: always, -1: never */
} xr_triplet_options;

typedef struct {
  int64_t batch; /* B */
  xr_triplet_options options;
  const float *similarity; /* [B, B], S: cosines */
  const int32_t *identity; /* [B] */
  const int32_t *image;    /* [B] */
  const xr_seed *seed;     /* NULL is enough where nothing is random and m2 adapts always or never */
  uint64_t node;           /* makes the choices of different nodes independent */
  float *loss;             /* [1] */
  float *gradient;         /* [B, B]: forward writes, backward reads */
  void *workspace;         /* xr_semi_positive_triplet_workspace() bytes, forward only */
  /* backward */
  const float *dloss; /* [1] */
  float *dsimilarity; /* [B, B], may be the memory of gradient */
  bool accumulate_dsimilarity;
} xr_semi_positive_triplet;

xr_status xr_semi_positive_triplet_check(const xr_semi_positive_triplet *a); /* the arguments, not the data */
size_t xr_semi_positive_triplet_workspace(const xr_semi_positive_triplet *a);

xr_status xr_semi_positive_triplet_forward_cpu(const xr_semi_positive_triplet *a);
xr_status xr_semi_positive_triplet_forward_cuda(const xr_semi_positive_triplet *a, xr_stream stream);
xr_status xr_semi_positive_triplet_backward_cpu(const xr_semi_positive_triplet *a);
xr_status xr_semi_positive_triplet_backward_cuda(const xr_semi_positive_triplet *a, xr_stream stream);

XR_C_END
