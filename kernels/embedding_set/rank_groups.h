/* Groups of ranks: what both backends of token_weights.h agree on. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernels/common/math.h"

/* m of c tokens */
XR_MATH_INLINE int32_t xr_chosen(float ratio, int32_t c) {
  const int32_t m = (int32_t)ceilf(ratio * (float)c);
  return m > c ? c : m < 1 && c > 0 ? 1 : m;
}

/* Weight of the token of rank r for element k */
XR_MATH_INLINE float xr_rank_weight(int32_t r, int32_t k, int32_t set, int32_t m) {
  const int32_t start = k * m / set, end = ((k + 1) * m + set - 1) / set;
  return r >= start && r < end ? 1.0f / (float)(end - start) : 0.0f;
}

/* Does score a at index i come before b at index j? */
XR_MATH_INLINE bool xr_ranks_before(float a, int32_t i, float b, int32_t j) {
  if (a != a || b != b) return a != a && b != b ? i < j : b != b;
  return a > b || (a == b && i < j);
}
