#include "kernels/common/launch.h"
#include "kernels/retrieval/precede.h"
#include "kernels/retrieval/tile_row.cuh"

namespace {

constexpr int THREADS = 256, CHUNK = 8192, IN_SHARED = 1024; /* items a block looks at; positives that fit in its shared memory */

/* A block counts a chunk of one row. Integers add up in any order. */
__global__ void __launch_bounds__(THREADS) count_kernel(xr_rank_count a, uint32_t chunks) {
  __shared__ xr_positive near[IN_SHARED];
  __shared__ int32_t near_ahead[IN_SHARED], near_equal[IN_SHARED];
  const int64_t q = blockIdx.x / chunks, chunk = blockIdx.x % chunks;
  const int64_t first = a.first[q], n = a.first[q + 1] - first;
  if (n == 0) return;
  const bool shared = n <= IN_SHARED;
  if (shared) {
    for (int64_t i = threadIdx.x; i < n; i += THREADS) {
      near[i] = a.positives[first + i];
      near_ahead[i] = near_equal[i] = 0;
    }
    __syncthreads();
  }
  const xr_positive *positives = shared ? near : a.positives + first;
  int32_t *ahead = shared ? near_ahead : a.ahead + first, *equal = shared ? near_equal : a.equal + first;
  const float lowest = positives[n - 1].score;
  const xr_tile_row row = xr_tile_row_at(a, q);
  const int64_t end = (chunk + 1) * CHUNK < row.count ? (chunk + 1) * CHUNK : row.count;
  for (int64_t i = chunk * CHUNK + threadIdx.x; i < end; i += THREADS) {
    int64_t index;
    const float score = row.score(i, &index);
    if (!(score >= lowest)) continue; /* precedes none; NaN ends here too */
    const int64_t place = xr_first_preceded(positives, n, score, index, a.ties), run = xr_first_not_above(positives, n, score);
    if (place < n) atomicAdd(&ahead[place], 1);
    if (positives[run].score == score) atomicAdd(&equal[run], 1);
  }
  if (!shared) return;
  __syncthreads();
  for (int64_t i = threadIdx.x; i < n; i += THREADS) {
    if (near_ahead[i]) atomicAdd(&a.ahead[first + i], near_ahead[i]);
    if (near_equal[i]) atomicAdd(&a.equal[first + i], near_equal[i]);
  }
}

} // namespace

xr_status xr_rank_count_cuda(const xr_rank_count *a, xr_stream stream) {
  XR_TRY(xr_rank_count_check(a));
  const int64_t chunks = xr_blocks(a->chosen ? a->chosen_count : a->gallery, CHUNK);
  return xr_launch("rank count", count_kernel, a->queries * chunks, THREADS, 0, stream, *a, (uint32_t)chunks);
}
