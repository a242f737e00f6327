#include "kernels/retrieval/topk.h"

#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/retrieval/precede.h"
#include "kernels/retrieval/tile_row.cuh"

namespace {

/* Between the calls a list is a set of its query's best items in any order, free places hold -infinity and XR_NO_ITEM. An update finds
 * the key of the last item that stays by radix selection over the list and the tile, then takes out and puts in. */
constexpr int THREADS = 256, DIGITS = 256, IN_SHARED = 2048; /* entries that are sorted in shared memory */

struct latest {
  __device__ __forceinline__ uint64_t operator()(uint64_t a, uint64_t b) const { return a > b ? a : b; }
};

/* A query's list and the row of the tile that may change it. */
struct selection {
  float *scores;
  int64_t *indices;
  int64_t k;
  xr_tile_row row;
  uint64_t last; /* items of the tile from this key on stay out */

  /* f(key, score, index) of each item of the tile that may come in */
  template <class F> __device__ __forceinline__ void each_candidate(F &&f) const {
    for (int64_t i = threadIdx.x; i < row.count; i += THREADS) {
      int64_t index;
      const float score = row.score(i, &index);
      if (score != score) continue;
      const uint64_t key = xr_place_key(score, index);
      if (key < last) f(key, score, index);
    }
  }
  template <class F> __device__ __forceinline__ void each_key(F &&f) const {
    for (int64_t i = threadIdx.x; i < k; i += THREADS) f(xr_place_key(scores[i], indices[i]));
    each_candidate([&](uint64_t key, float, int64_t) { f(key); });
  }
};

struct digit_found {
  int32_t digit, before, inside; /* count[0] + .. + count[digit-1], count[digit] */
};

/* The digit at which the sum of the counts reaches `wanted`. */
__device__ void find_digit(const int32_t *count, int64_t wanted, digit_found *found) {
  __shared__ int32_t warp_sum[DIGITS / 32];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int32_t own = count[threadIdx.x];
  int32_t sum = own;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const int32_t lower = __shfl_up_sync(0xffffffffu, sum, distance);
    if (lane >= distance) sum += lower;
  }
  if (lane == 31) warp_sum[warp] = sum;
  __syncthreads();
  for (int w = 0; w < warp; w++) sum += warp_sum[w];
  if (sum - own < wanted && wanted <= sum) *found = {(int32_t)threadIdx.x, sum - own, own};
}

/* A key such that exactly k keys of list and tile are not above it; that of a free place, or above it, when such are among these k. */
__device__ uint64_t select(const selection &s) {
  __shared__ int32_t count[DIGITS];
  __shared__ digit_found found;
  uint64_t prefix = 0;
  int64_t wanted = s.k; /* of the keys with this prefix */
  for (int shift = 56; shift >= 0; shift -= 8) {
    count[threadIdx.x] = 0;
    __syncthreads();
    s.each_key([&](uint64_t key) {
      if (shift == 56 || key >> (shift + 8) == prefix) atomicAdd(&count[key >> shift & 255], 1);
    });
    __syncthreads();
    find_digit(count, wanted, &found);
    __syncthreads(); /* two more come before the next find_digit() writes to `found` */
    prefix = prefix << 8 | (uint32_t)found.digit;
    wanted -= found.before;
    if (found.inside == wanted) return prefix << shift | ((1ull << shift) - 1); /* all keys with this prefix */
  }
  return prefix;
}

__global__ void __launch_bounds__(THREADS) begin_kernel(float *scores, int64_t *indices, int64_t count) {
  const int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (i >= count) return;
  scores[i] = -INFINITY;
  indices[i] = XR_NO_ITEM;
}

/* A block does one query. */
__global__ void __launch_bounds__(THREADS) update_kernel(xr_topk a) {
  static_assert(THREADS == DIGITS, "a thread has a digit");
  __shared__ int32_t stay;
  const int64_t q = blockIdx.x;
  selection s = {a.top_scores + q * a.k, a.top_indices + q * a.k, a.k, xr_tile_row_at(a, q), 0};
  for (int64_t i = threadIdx.x; i < s.k; i += THREADS) s.last = latest()(s.last, xr_place_key(s.scores[i], s.indices[i]));
  s.last = xr_block_reduce<THREADS>(s.last, latest());
  int found = 0;
  s.each_candidate([&](uint64_t, float, int64_t) { found = 1; });
  if (!__syncthreads_or(found)) return; /* what becomes of most tiles */
  const uint64_t bound = select(s);
  if (threadIdx.x == 0) stay = 0;
  for (int64_t start = 0; start < s.k; start += THREADS) { /* those that stay move to the front, THREADS at a time */
    const int64_t i = start + threadIdx.x;
    const float score = i < s.k ? s.scores[i] : 0.0f;
    const int64_t index = i < s.k ? s.indices[i] : XR_NO_ITEM;
    __syncthreads(); /* all have read what may now be written over */
    if (index == XR_NO_ITEM || xr_place_key(score, index) > bound) continue;
    const int32_t place = atomicAdd(&stay, 1);
    s.scores[place] = score;
    s.indices[place] = index;
  } /* by now the whole list has been read */
  s.each_candidate([&](uint64_t key, float score, int64_t index) {
    if (key > bound) return;
    const int32_t place = atomicAdd(&stay, 1);
    s.scores[place] = score;
    s.indices[place] = index;
  });
  __syncthreads(); /* the counter is final */
  for (int64_t i = stay + (int64_t)threadIdx.x; i < s.k; i += THREADS) {
    s.scores[i] = -INFINITY;
    s.indices[i] = XR_NO_ITEM;
  }
}

/* Bitonic sort of n entries by the block. Every exchange puts the earlier item at the lower place, so a number of places that is no
 * power of two needs no more than leaving out exchanges with places that are not there. */
template <class Index> __device__ void sort(float *scores, Index *indices, int64_t n) {
  int64_t places = 2;
  while (places < n) places *= 2;
  for (int64_t run = 2; run <= places; run *= 2) {
    for (int64_t apart = run / 2; apart > 0; apart /= 2) {
      for (int64_t i = threadIdx.x; i < places / 2; i += THREADS) {
        const int64_t low = i / apart * apart * 2 + i % apart;
        const int64_t high = apart == run / 2 ? low / run * run + run - 1 - low % run : low + apart; /* the first step mirrors */
        if (high >= n || xr_place_key(scores[high], indices[high]) >= xr_place_key(scores[low], indices[low])) continue;
        const float score = scores[low];
        const Index index = indices[low];
        scores[low] = scores[high];
        indices[low] = indices[high];
        scores[high] = score;
        indices[high] = index;
      }
      __syncthreads();
    }
  }
}

__global__ void __launch_bounds__(THREADS) finish_kernel(xr_topk a) {
  __shared__ float near_scores[IN_SHARED];
  __shared__ uint32_t near_indices[IN_SHARED];
  float *scores = a.top_scores + (int64_t)blockIdx.x * a.k;
  int64_t *indices = a.top_indices + (int64_t)blockIdx.x * a.k;
  if (a.k > IN_SHARED) {
    sort(scores, indices, a.k);
    for (int64_t i = threadIdx.x; i < a.k; i += THREADS)
      if (indices[i] == XR_NO_ITEM) indices[i] = -1;
    return;
  }
  for (int64_t i = threadIdx.x; i < a.k; i += THREADS) {
    near_scores[i] = scores[i];
    near_indices[i] = indices[i] == XR_NO_ITEM ? UINT32_MAX : (uint32_t)indices[i];
  }
  __syncthreads();
  sort(near_scores, near_indices, a.k);
  for (int64_t i = threadIdx.x; i < a.k; i += THREADS) {
    scores[i] = near_scores[i];
    indices[i] = near_indices[i] == UINT32_MAX ? -1 : (int64_t)near_indices[i];
  }
}

} // namespace

xr_status xr_topk_begin_cuda(const xr_topk *a, xr_stream stream) {
  XR_TRY(xr_topk_check(a));
  const int64_t count = a->queries * a->k;
  return xr_launch("top-k begin", begin_kernel, xr_blocks(count, THREADS), THREADS, 0, stream, a->top_scores, a->top_indices, count);
}

xr_status xr_topk_update_cuda(const xr_topk *a, xr_stream stream) {
  XR_TRY(xr_topk_check_update(a));
  return xr_launch("top-k update", update_kernel, a->queries, THREADS, 0, stream, *a);
}

xr_status xr_topk_finish_cuda(const xr_topk *a, xr_stream stream) {
  XR_TRY(xr_topk_check(a));
  return xr_launch("top-k finish", finish_kernel, a->queries, THREADS, 0, stream, *a);
}
