/* The place of a query's identity in its list of distinct identities (SYSU-MM01, LLCM): each identity stands where its best item does.
 *
 * With `best` the query's best positive, an identity stands ahead of it when one of its items does:
 *   score[g] > best.score   or   score[g] = best.score and g < xr_tie_bound(ties, best.index)
 * A bit for each identity that does is all there is to keep, so tiles add up in any order:
 *   bits[q, identity[g] / 32] |= 1 << identity[g] % 32    for every such item g that is not of the query's own identity
 *   place of the query's identity = 1 + number of bits (xr_identity_place())
 *
 * A query with best.index -1 has no positive and is left out. An item with a NaN score takes no part. gallery_offset + gallery <= 2^31. */
#pragma once

#include <stdint.h>

#include "host/base/status.h"
#include "kernels/retrieval/rank_count.h"

XR_C_BEGIN

typedef struct {
  int64_t queries, gallery, gallery_offset, stride; /* as in rank_count.h */
  const int32_t *chosen;
  int64_t chosen_count;
  const float *scores;
  int64_t identities;           /* of the gallery */
  const int32_t *item_identity; /* [gallery], by gallery index: 0 .. identities - 1. Others: CPU XR_BAD_INPUT, CUDA not counted */
  const int32_t *own_identity;  /* [queries]; -1: not in the gallery */
  const xr_positive *best;      /* [queries], the best of each query's positives */
  xr_tie_rule ties;
  uint32_t *bits; /* [queries, xr_identity_words()], 0 at the start, added to */
} xr_identity_rank;

XR_MATH_INLINE int64_t xr_identity_words(int64_t identities) { return (identities + 31) / 32; }

/* From one query's words, on the host. */
static inline int64_t xr_identity_place(const uint32_t *bits, int64_t identities) {
  int64_t ahead = 0;
  for (int64_t i = 0; i < xr_identity_words(identities); i++) ahead += __builtin_popcount(bits[i]);
  return 1 + ahead;
}

xr_status xr_identity_rank_check(const xr_identity_rank *a); /* the arguments, not the data: what every backend does first */
xr_status xr_identity_rank_cpu(const xr_identity_rank *a);
xr_status xr_identity_rank_cuda(const xr_identity_rank *a, xr_stream stream);

XR_C_END
