/* The pairs that image-text matching learns from: every image with its own text, with a text of somebody else that looks alike, and every
 * text with such an image. From the cosines S [B, B] of B images (rows) and their B texts (columns):
 *
 *   place            image    text    label
 *   i                i        i       1
 *   B + i            i        n(i)    0         n(i): one of the texts j with identity[j] != identity[i]
 *   2 B + i          m(i)     i       0         m(i): one of the images j with identity[j] != identity[i]
 *
 * hard: the largest cosine (S_ij for n, S_ji for m).  drawn: j with probability proportional to exp(S / tau), as the largest of
 * S / tau - log(-log u_j) with u_j = (floor(w[0] / 2^8) + 1/2) / 2^24, w = xr_seed_words(seed, node, k B + j), k = i for images and B + i
 * for texts (the Gumbel form of drawing). The first among equals; a NaN counts as the largest. Where everybody in the batch is one person
 * there is no such j: the pair is the own one with the label -1, which losses leave out.
 *
 * Drawing hard negatives from the batch's similarities is from Li et al., "Align before fuse", NeurIPS 2021; there the own pair alone is
 * excluded, here everybody of the same identity. Nothing is differentiable. B >= 1, tau > 0. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/seed.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef enum { XR_MATCH_HARD, XR_MATCH_DRAWN, XR_MATCH_NEGATIVES } xr_match_negative;

typedef struct {
  int64_t batch; /* B */
  xr_match_negative negative;
  float tau;               /* of drawn */
  const float *similarity; /* [B, B] */
  const int32_t *identity; /* [B] */
  const xr_seed *seed;     /* drawn */
  uint64_t node;           /* makes the choices of different nodes independent */
  int32_t *image, *text;   /* [3 B] */
  int32_t *label;          /* [3 B] */
} xr_match_pairs;

xr_status xr_match_pairs_check(const xr_match_pairs *a); /* the arguments, not the data */
xr_status xr_match_pairs_forward_cpu(const xr_match_pairs *a);
xr_status xr_match_pairs_forward_cuda(const xr_match_pairs *a, xr_stream stream);

/* What is compared of candidate j for anchor k (0 .. B-1 images, B .. 2 B-1 texts). */
XR_RANDOM_INLINE float xr_match_key(const xr_match_pairs *a, int64_t anchor, int64_t j, float similarity) {
  float key = similarity;
  if (a->negative == XR_MATCH_DRAWN) {
    const uint32_t word = xr_seed_words(a->seed, a->node, (uint64_t)(anchor * a->batch + j)).word[0];
    key = similarity / a->tau - logf(-logf(((float)(word >> 8) + 0.5f) * 0x1p-24f));
  }
  return key != key ? INFINITY : key;
}

/* Writes the three places of sample i, given its negatives or -1. */
XR_RANDOM_INLINE void xr_match_write(const xr_match_pairs *a, int64_t i, int64_t text, int64_t image) {
  const int64_t b = a->batch;
  a->image[i] = a->text[i] = a->image[b + i] = a->text[2 * b + i] = (int32_t)i;
  a->text[b + i] = (int32_t)(text < 0 ? i : text);
  a->image[2 * b + i] = (int32_t)(image < 0 ? i : image);
  a->label[i] = 1;
  a->label[b + i] = text < 0 ? -1 : 0;
  a->label[2 * b + i] = image < 0 ? -1 : 0;
}

XR_C_END
