/* Products of query rows and gallery rows, the same bits everywhere.
 *
 *   scores[q, g] = chain(query[q], items[g])  [+ bias[g]]
 *   chain(a, b): acc = 0;  acc = fmaf(a[k], b[k], acc) for k = 0, 1, .., width - 1, in f32
 *
 * Rows are f32, bf16 or f16; the narrow ones are widened, which is exact. The bias is added at the end with one addition: with the
 * bias -|g|^2 / 2 (unit_rows.h) the order of the scores is that of Euclidean distance. Because the order of the operations is part
 * of this contract, a score does not depend on the tile it is computed in, on the number of threads or on the backend: evaluation may
 * compute it twice and compare. Only what a NaN looks like is left open.
 *
 * On the CPU the gallery is rearranged before it is multiplied. A caller with several blocks of queries for one block of items does
 * it once, with xr_score_pack_cpu(), and sets `packed` (a tenth faster at 256 queries); otherwise xr_score_tile_cpu() does it piece by
 * piece for itself. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t queries, gallery, width;           /* of this tile; width >= 1 */
  xr_dtype query_dtype, item_dtype;          /* XR_F32, XR_BF16 or XR_F16 */
  const void *query;                         /* [queries, width] */
  const void *items;                         /* [gallery, width]; on the CPU not read when `packed` is set */
  int64_t query_stride, item_stride, stride; /* elements from row to row of query, items and scores; 0: width, width, gallery */
  const float *bias;                         /* [gallery] or NULL */
  const float *packed;                       /* what xr_score_pack_cpu() made of items, or NULL; CUDA does not look at it */
  float *scores;                             /* [queries, gallery] */
  void *workspace;                           /* xr_score_tile_workspace() bytes, aligned to 64 */
} xr_score_tile;

/* Looks at sizes alone. Serves every backend. */
size_t xr_score_tile_workspace(const xr_score_tile *a);

/* Bytes of `packed`, aligned to 64. */
size_t xr_score_packed_bytes(int64_t gallery, int64_t width);
/* packed = the items of `a`, rearranged. */
xr_status xr_score_pack_cpu(const xr_score_tile *a, float *packed);

xr_status xr_score_tile_check(const xr_score_tile *a); /* the arguments, not the data: what every backend does first */
xr_status xr_score_tile_cpu(const xr_score_tile *a);
xr_status xr_score_tile_cuda(const xr_score_tile *a, xr_stream stream);

XR_C_END
