/* Small matrix products in f32 for one head on one thread: register tiles and no packing, since one head's matrices fit the second-level
 * cache. Measured against oneDNN's sgemm on one Zen 4 core: 0.65 to 1.3 us at 32 x 32 x 32, 43 to 49 us at 193 x 193 x 64. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __AVX512F__
enum { XR_LANES = 16, XR_TILE_VECTORS = 4 }; /* 24 of 32 registers hold sums */
#else
enum { XR_LANES = 8, XR_TILE_VECTORS = 2 }; /* 12 of 16 */
#endif
enum { XR_TILE_ROWS = 6, XR_HEAD_PAD = 16 /* rows of b and c have a multiple of this many elements */ };

typedef float xr_lanes __attribute__((vector_size(XR_LANES * 4), aligned(4), may_alias));

/* The operands of C[m, n] = A B (+ C): element (i, l) of A lies at a[i * a_row + l * a_col]. */
typedef struct {
  int64_t k;
  const float *a;
  int64_t a_row, a_col;
  const float *b;
  int64_t b_row;
  float *c;
  int64_t c_row;
  bool add; /* to what is in C */
} xr_head_product;

/* `rows` x `vectors` * XR_LANES elements of C; both are constants wherever this is inlined, so that the sums lie in registers. */
static inline __attribute__((always_inline)) void xr_head_tile(const xr_head_product *p, int rows, int vectors, int64_t row, int64_t col) {
  xr_lanes sum[XR_TILE_ROWS][XR_TILE_VECTORS];
  const float *a = p->a + row * p->a_row, *b = p->b + col;
  float *c = p->c + row * p->c_row + col;
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) sum[r][v] = p->add ? *(const xr_lanes *)(c + r * p->c_row + v * XR_LANES) : (xr_lanes){0};
  }
  for (int64_t l = 0; l < p->k; l++) {
    xr_lanes wide[XR_TILE_VECTORS];
    for (int v = 0; v < vectors; v++) wide[v] = *(const xr_lanes *)(b + l * p->b_row + v * XR_LANES);
    for (int r = 0; r < rows; r++) {
      const float one = a[r * p->a_row + l * p->a_col];
      for (int v = 0; v < vectors; v++) sum[r][v] += one * wide[v];
    }
  }
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) *(xr_lanes *)(c + r * p->c_row + v * XR_LANES) = sum[r][v];
  }
}

static inline __attribute__((always_inline)) void xr_head_panel(const xr_head_product *p, int vectors, int64_t m, int64_t col) {
  int64_t row = 0;
  for (; row + 6 <= m; row += 6) xr_head_tile(p, 6, vectors, row, col);
  if (row + 4 <= m) {
    xr_head_tile(p, 4, vectors, row, col);
    row += 4;
  }
  if (row + 2 <= m) {
    xr_head_tile(p, 2, vectors, row, col);
    row += 2;
  }
  if (row < m) xr_head_tile(p, 1, vectors, row, col);
}

/* C[m, n]; columns of C from n up to the next multiple of XR_HEAD_PAD are written too. */
static inline void xr_head_multiply(const xr_head_product *p, int64_t m, int64_t n) {
  const int64_t vectors = (n + XR_LANES - 1) / XR_LANES;
  int64_t panels = (vectors + XR_TILE_VECTORS - 1) / XR_TILE_VECTORS;
  for (int64_t v = 0, take; v < vectors; v += take, panels--) {
    take = (vectors - v + panels - 1) / panels; /* 13 as 4, 3, 3, 3: one vector alone would wait for its sums */
    if (take == XR_TILE_VECTORS)
      xr_head_panel(p, XR_TILE_VECTORS, m, v * XR_LANES);
    else if (take == XR_TILE_VECTORS - 1)
      xr_head_panel(p, XR_TILE_VECTORS - 1, m, v * XR_LANES);
    else if (take == 2)
      xr_head_panel(p, 2, m, v * XR_LANES);
    else
      xr_head_panel(p, 1, m, v * XR_LANES);
  }
}
