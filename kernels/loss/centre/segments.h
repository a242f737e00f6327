/* The samples of a batch by identity: what every loss on identity centres starts from. Identities are any numbers; they are numbered
 * 0 .. P-1 in the order of their first sample. */
#pragma once

#include <stdint.h>

#ifdef __CUDACC__
#define XR_CENTRE_INLINE __host__ __device__ static inline
#else
#define XR_CENTRE_INLINE static inline
#endif

typedef struct {
  int32_t *count;   /* [1]: P */
  int32_t *segment; /* [B]: the number of a sample's identity */
  int32_t *start;   /* [B + 1], used to P: identity p has the samples order[start[p]] .. order[start[p + 1] - 1], in rising order */
  int32_t *order;   /* [B] */
  int32_t *first;   /* [B]: scratch */
} xr_segments;

/* All of them but `segment` lie at `at`, which has room for this many numbers. */
XR_CENTRE_INLINE int64_t xr_segments_size(int64_t batch) { return 3 * batch + 2; }
XR_CENTRE_INLINE xr_segments xr_segments_at(int32_t *at, int64_t batch, int32_t *segment) {
  const xr_segments s = {at, segment, at + 1, at + 2 + batch, at + 2 + 2 * batch};
  return s;
}
