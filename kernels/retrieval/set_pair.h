/* The similarities of set_kinds.h for XR_SET_LANES pairs of sets at once: the one text for C, where lanes are a vector, and for CUDA,
 * where a thread has one. Whoever includes this defines XR_SET_LANES first.
 *
 * Cosine (x, y) of lane l is c[x * row + y * column + l]. Every sum runs in order, and every product that meets an addition does so in
 * an fmaf, so that compilers have nothing to fuse. */
#pragma once

#include <stdbool.h>

#include "kernels/common/exact_math.h"
#include "kernels/embedding_set/set_kinds.h"

#define XR_EACH_LANE _Pragma("omp simd") for (int l = 0; l < XR_SET_LANES; l++)

/* What follows from sizes, kind and sharpness alone; made on the host, for both backends by the same code. */
typedef struct {
  int rows, columns; /* K1, K2 */
  xr_set_kind kind;
  float sharpness;
  float row_factor, column_factor, offset; /* similarity = row_factor R + column_factor C + offset */
  float weight, global_weight;             /* w, 1 - w */
} xr_set_plan;

XR_MATH_INLINE float xr_greater(float a, float b) { return b > a || b != b ? b : a; } /* a NaN wins */

/* sum[l] += ln sum_i exp(a c_i) = a m + ln sum_i exp(a (c_i - m)), m the largest, over `n` cosines `step` apart. */
XR_MATH_INLINE void xr_add_log_sum(float *sum, const float *c, int n, int64_t step, float a) {
  float most[XR_SET_LANES], total[XR_SET_LANES];
  XR_EACH_LANE {
    most[l] = -INFINITY;
    total[l] = 0;
  }
  for (int i = 0; i < n; i++) XR_EACH_LANE most[l] = xr_greater(most[l], c[i * step + l]);
  for (int i = 0; i < n; i++) XR_EACH_LANE total[l] += xr_exact_exp(a * (c[i * step + l] - most[l]));
  XR_EACH_LANE sum[l] += fmaf(a, most[l], xr_exact_log(total[l]));
}

/* sum[l] += the largest of `n` cosines `step` apart. */
XR_MATH_INLINE void xr_add_largest(float *sum, const float *c, int n, int64_t step) {
  float most[XR_SET_LANES];
  XR_EACH_LANE most[l] = -INFINITY;
  for (int i = 0; i < n; i++) XR_EACH_LANE most[l] = xr_greater(most[l], c[i * step + l]);
  XR_EACH_LANE sum[l] += most[l];
}

/* The sum of a matching of all `n` rows with n of `m` columns, n <= m, that has the largest one (exactly in f64), added in f32 in the
 * order of the rows: the Hungarian method with potentials, one augmenting path a row. NaN when a cosine is not finite. */
XR_MATH_INLINE float xr_largest_matching(const float *c, int n, int m, int64_t row, int64_t column) {
  double row_potential[XR_MAX_SET_SIZE + 1] = {0}, column_potential[XR_MAX_SET_SIZE + 1] = {0}, slack[XR_MAX_SET_SIZE + 1];
  int row_of[XR_MAX_SET_SIZE + 1] = {0}, before[XR_MAX_SET_SIZE + 1]; /* of column j, from 1; column 0 starts the path; 0: none */
  bool reached[XR_MAX_SET_SIZE + 1];
  for (int i = 0; i < n; i++)
    for (int j = 0; j < m; j++)
      if (!(fabsf(c[i * row + j * column]) < INFINITY)) return NAN;
  for (int i = 1; i <= n; i++) {
    int at = 0;
    row_of[0] = i;
    for (int j = 0; j <= m; j++) {
      slack[j] = INFINITY;
      reached[j] = false;
      before[j] = 0;
    }
    do { /* the column that is reached next at the least cost */
      reached[at] = true;
      const int from = row_of[at];
      double least = INFINITY;
      int next = 0;
      for (int j = 1; j <= m; j++) {
        if (reached[j]) continue;
        const double cost = -(double)c[(from - 1) * row + (j - 1) * column] - row_potential[from] - column_potential[j];
        if (cost < slack[j]) {
          slack[j] = cost;
          before[j] = at;
        }
        if (slack[j] < least) {
          least = slack[j];
          next = j;
        }
      }
      for (int j = 0; j <= m; j++) {
        if (reached[j]) {
          row_potential[row_of[j]] += least;
          column_potential[j] -= least;
        } else {
          slack[j] -= least;
        }
      }
      at = next;
    } while (row_of[at] != 0);
    for (; at != 0; at = before[at]) row_of[at] = row_of[before[at]];
  }
  float sum = 0;
  for (int i = 1; i <= n; i++)
    for (int j = 1; j <= m; j++)
      if (row_of[j] == i) sum += c[(i - 1) * row + (j - 1) * column];
  return sum;
}

/* out[l] = the similarity of lane l. */
XR_MATH_INLINE void xr_set_similarity_lanes(const xr_set_plan *p, const float *c, int64_t row, int64_t column, float *out) {
  float by_row[XR_SET_LANES], by_column[XR_SET_LANES];
  const int rows = p->rows, columns = p->columns;
  XR_EACH_LANE by_row[l] = by_column[l] = 0;
  switch (p->kind) {
  case XR_SET_SMOOTH_CHAMFER:
    for (int x = 0; x < rows; x++) xr_add_log_sum(by_row, c + x * row, columns, column, p->sharpness);
    for (int y = 0; y < columns; y++) xr_add_log_sum(by_column, c + y * column, rows, row, p->sharpness);
    break;
  case XR_SET_CHAMFER:
    for (int x = 0; x < rows; x++) xr_add_largest(by_row, c + x * row, columns, column);
    for (int y = 0; y < columns; y++) xr_add_largest(by_column, c + y * column, rows, row);
    break;
  case XR_SET_MIL:
    XR_EACH_LANE by_row[l] = -INFINITY;
    for (int x = 0; x < rows; x++)
      for (int y = 0; y < columns; y++) XR_EACH_LANE by_row[l] = xr_greater(by_row[l], c[x * row + y * column + l]);
    break;
  case XR_SET_AVERAGE:
    for (int x = 0; x < rows; x++)
      for (int y = 0; y < columns; y++) XR_EACH_LANE by_row[l] += c[x * row + y * column + l];
    break;
  case XR_SET_ALIGNED:
    for (int x = 0; x < rows; x++) XR_EACH_LANE by_row[l] += c[x * row + x * column + l];
    break;
  default: /* optimal */
    for (int l = 0; l < XR_SET_LANES; l++)
      by_row[l] = rows <= columns ? xr_largest_matching(c + l, rows, columns, row, column)
                                  : xr_largest_matching(c + l, columns, rows, column, row);
  }
  XR_EACH_LANE out[l] = fmaf(p->row_factor, by_row[l], fmaf(p->column_factor, by_column[l], p->offset));
}
