/* What a query does not see. Two things decide it:
 *
 *   exclusion    the same in every trial: an item is hidden from query q when its code is the query's, item_code[g] = hidden_code[q].
 *                Market-1501, LLCM: a code for each (identity, camera). SYSU-MM01: the item's camera; a query of camera 3 hides 2.
 *   trial        which items the gallery has: `chosen` of rank_count.h, topk.h and identity_rank.h, which read scores
 *
 * So scores are computed once, looked at and marked once by this kernel, and then evaluated for many trials.
 *
 *   nan_at[q] = the first column of row q with a score that is NaN, -1 without one
 *   then: scores[q, g] = NaN  where item_code[g] = hidden_code[q], hidden_code[q] >= 0
 *
 * An item with a NaN score takes no part in what follows. */
#pragma once

#include <stdint.h>

#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

typedef struct {
  int64_t queries, gallery;   /* of this tile */
  int64_t stride;             /* elements from one row of scores to the next, >= gallery */
  float *scores;              /* [queries, gallery] */
  const int32_t *item_code;   /* [gallery]; NULL: nothing is hidden */
  const int32_t *hidden_code; /* [queries], -1: hides nothing; together with item_code */
  int32_t *nan_at;            /* [queries] or NULL: not asked for */
} xr_hide;

xr_status xr_hide_check(const xr_hide *a); /* the arguments, not the data: what every backend does first */
xr_status xr_hide_cpu(const xr_hide *a);
xr_status xr_hide_cuda(const xr_hide *a, xr_stream stream);

XR_C_END
