/* Distances and gradients of rows on the CPU. */
#pragma once

#include "kernels/loss/row_pairs.h"

enum { XR_PAIR_COLUMNS = 256 /* of a gradient that are added up together */ };

static inline float xr_squared_distance(const float *restrict a, const float *restrict b, int64_t width) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t k = 0; k < width; k++) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

/* out = sum over j < count of factor[j] (z_i - z_j), which is a row of the gradient. */
static inline void xr_pair_gradient(const xr_pair_rows *rows, int64_t i, const float *factor, int64_t count, float *out) {
  const float *own = xr_pair_row(rows, i);
  for (int64_t at = 0; at < rows->width; at += XR_PAIR_COLUMNS) {
    const int64_t n = rows->width - at < XR_PAIR_COLUMNS ? rows->width - at : XR_PAIR_COLUMNS;
    float sum[XR_PAIR_COLUMNS] = {0};
    for (int64_t j = 0; j < count; j++) {
      const float f = factor[j], *restrict z = xr_pair_row(rows, j) + at, *restrict x = own + at;
      if (f == 0) continue;
#pragma omp simd
      for (int64_t k = 0; k < n; k++) sum[k] += f * (x[k] - z[k]);
    }
    for (int64_t k = 0; k < n; k++) out[at + k] = sum[k];
  }
}
