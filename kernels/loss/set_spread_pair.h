/* What both backends share of xr_set_spread: a set's number from its pairs, and how the pairs go into the gradient. */
#pragma once

#include <math.h>

#include "kernels/common/math.h"
#include "kernels/loss/set_spread.h"

/* What is computed of a pair k < l: |u_k - u_l|^2 or <u_k, u_l>. */
XR_MATH_INLINE float xr_spread_product(xr_spread_kind kind, float u, float v) {
  return kind == XR_SPREAD_UNIFORMITY ? (u - v) * (u - v) : u * v;
}

/* What a pair adds to the sum over k < l, from that. */
XR_MATH_INLINE float xr_spread_term(xr_spread_kind kind, float p) {
  return kind == XR_SPREAD_UNIFORMITY ? xr_exp(-2 * p) : kind == XR_SPREAD_DIVERSITY ? p * p : p;
}

/* The set's number from the sum of its pairs' terms. */
XR_MATH_INLINE float xr_spread_value(xr_spread_kind kind, int size, float sum) {
  if (size < 2) return 0;
  if (kind == XR_SPREAD_DIVERSITY) return sqrtf(2 * sum) / (float)(size * size);
  return sum / (0.5f * (float)(size * (size - 1)));
}

/* The gradient of u_k is the sum over l != k of this times (u_k - u_l), for uniformity, or u_l. */
XR_MATH_INLINE float xr_spread_factor(xr_spread_kind kind, int size, float sum, float p) {
  const float pairs = 0.5f * (float)(size * (size - 1));
  if (kind == XR_SPREAD_UNIFORMITY) return -4 * xr_exp(-2 * p) / pairs;
  if (kind == XR_SPREAD_COSINE) return 1 / pairs;
  return sum == 0 ? 0 : 2 * p / (sqrtf(2 * sum) * (float)(size * size));
}
