/* The k best gallery items of each query, kept while tiles of scores pass by.
 *
 * Order: higher score first, then lower gallery index. Exact: the result is that of a stable sort of the whole row, for tiles of any
 * size in any order and any number of threads. An item with a NaN score takes no part.
 *
 *   xr_topk_begin_cpu, xr_topk_update_cpu for every tile, xr_topk_finish_cpu
 *
 * Between begin and finish the lists are the backend's own affair; finish sorts them best first and gives places that found no item the
 * score -infinity and the index -1. `chosen` is that of rank_count.h. gallery_offset + gallery <= 2^31. */
#pragma once

#include <stdint.h>

#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t queries, k;     /* k >= 1 */
  float *top_scores;      /* [queries, k] */
  int64_t *top_indices;   /* [queries, k] */
  int64_t gallery;        /* of this tile; update only, as all below */
  int64_t gallery_offset; /* gallery index of the tile's first column */
  int64_t stride;         /* elements from one row of scores to the next, >= gallery */
  const int32_t *chosen;  /* NULL: all of the tile. Else [chosen_count] gallery indices within it, ascending: only these */
  int64_t chosen_count;
  const float *scores; /* [queries, gallery] */
} xr_topk;

xr_status xr_topk_check(const xr_topk *a);        /* the lists: what begin and finish do first */
xr_status xr_topk_check_update(const xr_topk *a); /* the tile, too: what update does first */
xr_status xr_topk_begin_cpu(const xr_topk *a);
xr_status xr_topk_begin_cuda(const xr_topk *a, xr_stream stream);
xr_status xr_topk_update_cpu(const xr_topk *a);
xr_status xr_topk_update_cuda(const xr_topk *a, xr_stream stream);
xr_status xr_topk_finish_cpu(const xr_topk *a);
xr_status xr_topk_finish_cuda(const xr_topk *a, xr_stream stream);

XR_C_END
