/* From the cosines of embedding sets to scores: the similarity of every two sets, mixed with a score of the global features. The same
 * bits everywhere.
 *
 *   scores[q, g] = fmaf(weight, set(C_qg), (1 - weight) global[q, g]),   C_qg[x, y] = cosines[q K1 + x, g K2 + y]
 *
 * set(): kernels/embedding_set/set_kinds.h; with exp and log of kernels/common/exact_math.h; its sums run over x, then y, in order.
 * Cosines come from xr_score_tile (queries K1 x gallery K2 rows) or from xr_score_pairs. Without `global` the score is
 * fmaf(weight, set(C), 0). `scores` may be the memory of `global`. */
#pragma once

#include <stdint.h>

#include "host/base/status.h"
#include "kernels/common/stream.h"
#include "kernels/embedding_set/set_kinds.h"

XR_C_BEGIN

typedef struct {
  int64_t queries, gallery;      /* of this tile, in sets */
  int64_t query_set, item_set;   /* K1, K2: 1 .. XR_MAX_SET_SIZE */
  xr_set_kind kind;              /* aligned: K1 = K2 */
  float sharpness;               /* of smooth-chamfer, > 0 */
  float weight;                  /* of the set similarity, 0 .. 1 */
  const float *cosines;          /* [queries K1, gallery K2] */
  const float *global;           /* [queries, gallery] or NULL */
  int64_t cosine_stride;         /* elements from row to row; 0: gallery K2 */
  int64_t global_stride, stride; /* of global and scores; 0: gallery */
  float *scores;                 /* [queries, gallery] */
} xr_set_score;

xr_status xr_set_score_check(const xr_set_score *a); /* the arguments, not the data: what every backend does first */
xr_status xr_set_score_cpu(const xr_set_score *a);
xr_status xr_set_score_cuda(const xr_set_score *a, xr_stream stream);

XR_C_END
