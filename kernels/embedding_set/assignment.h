/* The best one-to-one matching of two small sets: shortest augmenting paths with potentials (the Hungarian method; Kuhn 1955, Jonker and
 * Volgenant 1987). The same single additions in the same order on every backend, so the same matching, also among equals. */
#pragma once

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernels/embedding_set/set_kinds.h"

#ifdef __CUDACC__
#define XR_ASSIGNMENT_INLINE __host__ __device__ static inline
#else
#define XR_ASSIGNMENT_INLINE static inline
#endif

/* Values c[row * row_step + column * column_step]; rows <= columns <= XR_MAX_SET_SIZE. match[row] becomes the column of each row, so that
 * the sum of the values is the largest there is. Values that are not finite give some matching. */
XR_ASSIGNMENT_INLINE void xr_assign(const float *c, int row_step, int column_step, int rows, int columns, int8_t *match) {
  float of_row[XR_MAX_SET_SIZE], of_column[XR_MAX_SET_SIZE], slack[XR_MAX_SET_SIZE]; /* potentials; the cheapest way to a column */
  int8_t owner[XR_MAX_SET_SIZE], before[XR_MAX_SET_SIZE];                            /* a column's row; the column before it on its way */
  for (int j = 0; j < columns; j++) {
    of_column[j] = 0;
    owner[j] = -1;
  }
  for (int start = 0; start < rows; start++) {
    uint32_t reached = 0;
    int at = -1, row = start;
    of_row[start] = 0;
    for (int j = 0; j < columns; j++) slack[j] = INFINITY;
    do {
      int next = -1;
      for (int j = 0; j < columns; j++) {
        if (reached >> j & 1u) continue;
        const float cost = -c[row * row_step + j * column_step] - of_row[row] - of_column[j];
        if (cost < slack[j]) {
          slack[j] = cost;
          before[j] = (int8_t)at;
        }
        if (next < 0 || slack[j] < slack[next]) next = j;
      }
      if (!(slack[next] < INFINITY)) before[next] = (int8_t)at; /* nothing finite: go on anyway */
      const float step = slack[next];
      of_row[start] += step;
      for (int j = 0; j < columns; j++) {
        if (reached >> j & 1u) {
          of_row[owner[j]] += step;
          of_column[j] -= step;
        } else {
          slack[j] -= step;
        }
      }
      reached |= 1u << next;
      at = next;
      row = owner[at];
    } while (row >= 0);
    while (at >= 0) {
      const int previous = before[at];
      owner[at] = (int8_t)(previous >= 0 ? owner[previous] : start);
      at = previous;
    }
  }
  for (int j = 0; j < columns; j++)
    if (owner[j] >= 0) match[owner[j]] = (int8_t)j;
}
