/* What lies in the workspace of xr_sdm: the same tables on both backends, and the partial results of the CUDA kernels behind them. */
#pragma once

#include "kernels/loss/sdm.h"

#ifdef __CUDACC__
#define XR_SDM_INLINE __host__ __device__ static inline
#else
#define XR_SDM_INLINE static inline
#endif

enum { XR_SDM_TILE = 64 };

/* Per anchor (a row, or a column), [B] each: log p = (S - largest) / tau - log_sum. */
typedef struct {
  float *largest, *log_sum, *kl;
} xr_sdm_anchors;

/* One anchor against the candidates of one tile: x = (S - largest) / tau, the sums of e^x x, and of e^x over the candidates of the
 * same image, of the same identity otherwise, and of others. */
typedef struct {
  float largest, weighted, same, semi, rest;
} xr_sdm_part;

/* Labels are shared by rows and columns, so the targets are, too. */
typedef struct {
  xr_sdm_anchors row, column;
  float *log_same, *log_semi;          /* [B]: log(q + eps) of a pair of the same image, of the same identity */
  int64_t tiles;                       /* of XR_SDM_TILE candidates each */
  xr_sdm_part *row_part, *column_part; /* [B, tiles], CUDA only */
} xr_sdm_tables;

XR_SDM_INLINE xr_sdm_tables xr_sdm_tables_of(const xr_sdm *a) {
  const int64_t b = a->batch, tiles = (b + XR_SDM_TILE - 1) / XR_SDM_TILE;
  float *w = a->workspace;
  xr_sdm_part *part = (xr_sdm_part *)(w + 8 * b);
  const xr_sdm_tables t = {{w, w + b, w + 2 * b}, {w + 3 * b, w + 4 * b, w + 5 * b}, w + 6 * b, w + 7 * b, tiles, part, part + b * tiles};
  return t;
}
