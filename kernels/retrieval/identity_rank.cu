#include "kernels/retrieval/identity_rank.h"

#include "kernels/common/launch.h"
#include "kernels/retrieval/precede.h"
#include "kernels/retrieval/tile_row.cuh"

namespace {

constexpr int THREADS = 256, CHUNK = 8192; /* items a block looks at */

/* A block marks the identities of a chunk of one row. */
__global__ void __launch_bounds__(THREADS) mark_kernel(xr_identity_rank a, uint32_t chunks) {
  const int64_t q = blockIdx.x / chunks, chunk = blockIdx.x % chunks;
  const xr_positive best = a.best[q];
  if (best.index < 0) return;
  const int64_t bound = xr_tie_bound(a.ties, best.index);
  const int32_t own = a.own_identity[q];
  uint32_t *bits = a.bits + q * xr_identity_words(a.identities);
  const xr_tile_row row = xr_tile_row_at(a, q);
  const int64_t end = (chunk + 1) * CHUNK < row.count ? (chunk + 1) * CHUNK : row.count;
  for (int64_t i = chunk * CHUNK + threadIdx.x; i < end; i += THREADS) {
    int64_t index;
    const float score = row.score(i, &index);
    if (!(score > best.score || (score == best.score && index < bound))) continue;
    const int32_t identity = a.item_identity[index];
    if (identity == own || identity < 0 || identity >= a.identities) continue;
    const uint32_t bit = 1u << identity % 32;
    if (!(bits[identity / 32] & bit)) atomicOr(&bits[identity / 32], bit); /* an old value only costs the atomic operation */
  }
}

} // namespace

xr_status xr_identity_rank_cuda(const xr_identity_rank *a, xr_stream stream) {
  XR_TRY(xr_identity_rank_check(a));
  const int64_t chunks = xr_blocks(a->chosen ? a->chosen_count : a->gallery, CHUNK);
  return xr_launch("identity rank", mark_kernel, a->queries * chunks, THREADS, 0, stream, *a, (uint32_t)chunks);
}
