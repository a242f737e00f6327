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

/* An item of a list of the best stands before another. */
XR_MATH_INLINE bool xr_precedes(float score, int64_t index, float other_score, int64_t other_index) {
  return score > other_score || (score == other_score && index < other_index);
}
