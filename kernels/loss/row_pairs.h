/* What losses on the distances between rows share: a squared distance, the clamp under the root, and the gradient of the rows from
 * factors f_ij of their pairs (0 where a pair does not count),
 *
 *   dloss/dz_i = sum over j of f_ij (z_i - z_j)
 *
 * Differences are formed element by element: a product of matrices would lose what nearly equal rows differ in. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernels/common/math.h"

#define XR_DISTANCE_CLAMP 1e-12f /* of squared distances: d = sqrt(max(|a - b|^2, 1e-12)) */

/* Rows 0 .. split - 1 lie at `first`, those after them at `rest`. */
typedef struct {
  const float *first, *rest;
  int64_t split, width;
} xr_pair_rows;

XR_MATH_INLINE const float *xr_pair_row(const xr_pair_rows *r, int64_t i) {
  return i < r->split ? r->first + i * r->width : r->rest + (i - r->split) * r->width;
}

XR_MATH_INLINE float xr_distance_of(float squared) { return sqrtf(squared < XR_DISTANCE_CLAMP ? XR_DISTANCE_CLAMP : squared); }

/* (z_a - z_b) times this is the derivative of d by z_a: 1 / d, and 0 where the clamp holds. */
XR_MATH_INLINE float xr_distance_slope(float squared) { return squared < XR_DISTANCE_CLAMP ? 0 : 1 / sqrtf(squared); }
