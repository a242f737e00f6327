/* Who stands before whom in a list of results, for C and for device code. */
#pragma once

#include <stdbool.h>

#include "kernels/common/math.h"
#include "kernels/retrieval/rank_count.h"

/* The first of `n` positives, sorted, that an item precedes (ties.h); n: none. */
XR_MATH_INLINE int64_t xr_first_preceded(const xr_positive *p, int64_t n, float score, int64_t index, xr_tie_rule ties) {
  int64_t low = 0;
  while (n > 0) {
    const int64_t half = n / 2;
    const xr_positive *middle = &p[low + half];
    const bool precedes = score > middle->score || (score == middle->score && index < xr_tie_bound(ties, middle->index));
    low = precedes ? low : low + half + 1;
    n = precedes ? half : n - half - 1;
  }
  return low;
}

/* The first of `n` positives, sorted, whose score is not above this one; n: none. */
XR_MATH_INLINE int64_t xr_first_not_above(const xr_positive *p, int64_t n, float score) {
  return xr_first_preceded(p, n, score, -1, XR_TIES_WORST);
}

/* The index of a free place in a list of the best: it stands behind every item, also one with score -infinity. */
#define XR_NO_ITEM INT64_MAX

/* The place of an item in the order "higher score first, then lower gallery index" (below 2^31) as a number: the lower stands before.
 * The score is turned round as an integer; -0 counts as 0. Not for NaN. */
XR_MATH_INLINE uint64_t xr_place_key(float score, int64_t index) {
  const float one_zero = score + 0.0f;
  uint32_t bits;
  memcpy(&bits, &one_zero, sizeof bits);
  const uint32_t falling = bits >> 31 ? bits : ~bits & 0x7fffffffu;
  return (uint64_t)falling << 32 | (uint32_t)index;
}
