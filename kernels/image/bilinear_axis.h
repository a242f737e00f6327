/* Bilinear interpolation along one axis, for resize_bilinear on every backend. Places are exact fractions: t is rounded once. */
#pragma once

#include "kernels/common/math.h"

/* Element i of size_out lies between the elements low and high of size_in: (1 - t) low + t high. */
typedef struct {
  int64_t low, high;
  float t;
} xr_bilinear_place;

XR_MATH_INLINE xr_bilinear_place xr_bilinear_at(int64_t i, int64_t size_in, int64_t size_out) {
  const int64_t unit = 2 * size_out, wanted = (2 * i + 1) * size_in - size_out, at = wanted < 0 ? 0 : wanted, low = at / unit;
  const xr_bilinear_place place = {low, low + 1 < size_in ? low + 1 : low, (float)(at - low * unit) / (float)unit};
  return place;
}

/* The weight of element k of size_in in that place. */
XR_MATH_INLINE float xr_bilinear_weight(xr_bilinear_place place, int64_t k) {
  return (place.low == k ? 1 - place.t : 0) + (place.high == k ? place.t : 0);
}

/* All elements i of size_out that element k of size_in has a weight in lie in first .. end - 1. */
typedef struct {
  int64_t first, end;
} xr_bilinear_range;

XR_MATH_INLINE xr_bilinear_range xr_bilinear_users(int64_t k, int64_t size_in, int64_t size_out) {
  /* k - 1 < (i + 1/2) size_in / size_out - 1/2 < k + 1, where nothing was cut off at the edges */
  const int64_t low = (2 * k - 1) * size_out - size_in, high = (2 * k + 3) * size_out - size_in;
  const int64_t first = low < 0 || k == 0 ? 0 : low / (2 * size_in), end = k == size_in - 1 ? size_out : high / (2 * size_in) + 1;
  const xr_bilinear_range range = {first, end < size_out ? end : size_out};
  return range;
}
