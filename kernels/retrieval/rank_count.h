/* Exact ranks of a query's positives without sorting the gallery: counts the items that precede each of them.
 *
 * Positive i of a query (the items of its identity, sorted: higher score first, then lower gallery index) is preceded by item g when
 *   score[g] > score_i   or   score[g] = score_i and g < xr_tie_bound(ties, index_i).
 * Then all later positives are preceded too, so one item is counted once, at the first positive it precedes:
 *   ahead[i] += number of items whose first preceded positive is i      (prefix sums over i are the numbers ahead of positive i)
 *   equal[i] += number of items with positive i's score, at the first positive of each run of equal scores; others stay as they are
 *
 * A tile is any block of columns of any rows; tiles of one query add up in any order to the same numbers. An item with a NaN score
 * takes no part: callers mark excluded items so (and refuse scores that were NaN from the start).
 * `chosen` makes one pass of scores serve many galleries (trials): only those of the tile's items are looked at.
 * gallery_offset + gallery <= 2^31. Counts are exact for any number of threads. */
#pragma once

#include <stdint.h>

#include "host/base/status.h"
#include "kernels/common/stream.h"
#include "kernels/retrieval/ties.h"

XR_C_BEGIN

typedef struct {
  float score;
  int32_t index; /* in the gallery */
} xr_positive;

typedef struct {
  int64_t queries, gallery; /* of this tile */
  int64_t gallery_offset;   /* gallery index of the tile's first column */
  int64_t stride;           /* elements from one row of scores to the next, >= gallery */
  const int32_t *chosen;    /* NULL: all of the tile. Else [chosen_count] gallery indices within it, ascending: only these */
  int64_t chosen_count;
  const float *scores;          /* [queries, gallery] */
  const int64_t *first;         /* [queries + 1]: query q's positives are first[q] .. first[q+1]-1 */
  const xr_positive *positives; /* [first[queries]] */
  xr_tie_rule ties;
  int32_t *ahead, *equal; /* [first[queries]], added to */
} xr_rank_count;

xr_status xr_rank_count_check(const xr_rank_count *a); /* the arguments, not the data: what every backend does first */
xr_status xr_rank_count_cpu(const xr_rank_count *a);
xr_status xr_rank_count_cuda(const xr_rank_count *a, xr_stream stream);

XR_C_END
