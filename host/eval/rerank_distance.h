/* The squared distances that re-ranking starts from: of features, computed when they are asked for, or of a matrix. The same bits each
 * time. */
#pragma once

#include "host/eval/rerank.h"
#include "kernels/retrieval/score_pairs.h"

typedef struct {
  int64_t count, width; /* N */
  const float *matrix;  /* [N, N], or NULL: features */
  bool euclidean;
  float *rows;         /* [N, width]; cosine: of length 1 */
  float *half_squares; /* [N]: -|x|^2 / 2; euclidean */
  float *packed;       /* rows, rearranged for xr_score_tile_cpu() */
} xr_squared_distances;

/* On failure there is nothing to close. */
xr_status xr_squared_distances_open(xr_squared_distances *d, const xr_rerank_input *in);
void xr_squared_distances_close(xr_squared_distances *d);

/* out[count, N] = D(j, i)^2, i = first .. first + count - 1 */
xr_status xr_squared_rows(const xr_squared_distances *d, int64_t first, int64_t count, float *out);
/* out[p] = D(item, query)^2 of pairs[p] */
xr_status xr_squared_pairs(const xr_squared_distances *d, const xr_score_pair *pairs, int64_t count, float *out);
