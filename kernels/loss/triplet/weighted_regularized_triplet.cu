/* distances: a warp a pair. anchors: a warp an anchor, its lanes share the candidates. factors: elementwise, in place of the distances; the
 * first block adds the loss. gradient: a block 256 columns of a row. */
#include "kernels/common/launch.h"
#include "kernels/common/scaled_copy.cuh"
#include "kernels/loss/first_largest.cuh"
#include "kernels/loss/row_pairs.cuh"
#include "kernels/loss/triplet/wrt_anchor.h"

enum { THREADS = XR_PAIR_THREADS, WARPS = XR_PAIR_WARPS };

static const char *const name = "weighted_regularized_triplet";

static __global__ void __launch_bounds__(THREADS) distances_kernel(const xr_weighted_regularized_triplet a) {
  const int64_t i = blockIdx.y, j = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
  if (j < i || j >= a.batch) return;
  const float squared = xr_warp_squared_distance(a.x + i * a.width, a.x + j * a.width, a.width);
  if (threadIdx.x % 32 == 0) xr_wrt_pairs(&a)[i * a.batch + j] = xr_wrt_pairs(&a)[j * a.batch + i] = squared;
}

/* One side of anchor i; returns how many are in it. */
static __device__ __forceinline__ int survey(const xr_weighted_regularized_triplet &a, int64_t i, int side, const float *squared,
                                             xr_wrt_side *s) {
  const int lane = threadIdx.x % 32;
  const bool agw = a.options.agw;
  xr_first_largest best;
  int count = 0;
  for (int64_t j = lane; j < a.batch; j += 32) {
    const bool in = xr_wrt_side_of(&a, i, j) == side;
    if (in || agw) best.offer(in ? xr_wrt_value(side, xr_distance_of(squared[j])) : 0, (int)j);
    count += in;
  }
  best.share();
  count = xr_warp_sum(count);
  double sum = 0, weighted = 0;
  for (int64_t j = lane; j < a.batch; j += 32) {
    if (xr_wrt_side_of(&a, i, j) != side) continue;
    const float d = xr_distance_of(squared[j]);
    const double e = (double)expf(xr_wrt_value(side, d) - best.key);
    sum += e;
    weighted += e * (double)d;
  }
  sum = xr_warp_sum(sum) + (agw ? (double)XR_WRT_EPSILON : 0);
  weighted = xr_warp_sum(weighted);
  *s = {best.key, best.at, (float)sum, count ? (float)(weighted / sum) : 0};
  return count;
}

static __global__ void __launch_bounds__(THREADS) anchors_kernel(const xr_weighted_regularized_triplet a) {
  const int64_t i = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
  if (i >= a.batch) return;
  xr_wrt_anchor r;
  int count[2];
#pragma unroll
  for (int side = 0; side < 2; side++) count[side] = survey(a, i, side, xr_wrt_pairs(&a) + i * a.batch, &r.side[side]);
  xr_wrt_judge(&a.options, count, &r);
  if (threadIdx.x % 32 == 0) xr_wrt_anchors(&a)[i] = r;
}

static __global__ void __launch_bounds__(THREADS) factors_kernel(const xr_weighted_regularized_triplet a) {
  const xr_wrt_anchor *anchor = xr_wrt_anchors(&a);
  const int64_t i = blockIdx.x;
  double total = 0, anchors = 0;
  for (int64_t k = threadIdx.x; k < a.batch; k += THREADS) {
    total += (double)anchor[k].loss;
    anchors += (double)anchor[k].counts;
  }
  anchors = xr_block_sum<THREADS>(anchors);
  float *pair = xr_wrt_pairs(&a) + i * a.batch;
  for (int64_t j = threadIdx.x; j < a.batch; j += THREADS) pair[j] = xr_wrt_factor(&a, anchor, i, j, pair[j], (float)anchors);
  if (i != 0) return;
  total = xr_block_sum<THREADS>(total);
  if (threadIdx.x == 0) a.loss[0] = anchors > 0 ? (float)(total / anchors) : 0;
}

static __global__ void __launch_bounds__(THREADS) gradient_kernel(const xr_weighted_regularized_triplet a) {
  const int64_t i = blockIdx.y, column = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  const xr_pair_rows rows = {a.x, nullptr, a.batch, a.width};
  const float sum = xr_pair_gradient(rows, i, xr_wrt_pairs(&a) + i * a.batch, a.batch, column);
  if (column < a.width) a.gradient[i * a.width + column] = sum;
}

extern "C" xr_status xr_weighted_regularized_triplet_forward_cuda(const xr_weighted_regularized_triplet *a, xr_stream stream) {
  XR_TRY(xr_weighted_regularized_triplet_check(a));
  const int64_t b = a->batch;
  XR_TRY(xr_launch(name, distances_kernel, xr_grid{xr_blocks(b, WARPS), b, 1}, THREADS, 0, stream, *a));
  XR_TRY(xr_launch(name, anchors_kernel, xr_blocks(b, WARPS), THREADS, 0, stream, *a));
  XR_TRY(xr_launch(name, factors_kernel, b, THREADS, 0, stream, *a));
  return xr_launch(name, gradient_kernel, xr_grid{xr_blocks(a->width, THREADS), b, 1}, THREADS, 0, stream, *a);
}

extern "C" xr_status xr_weighted_regularized_triplet_backward_cuda(const xr_weighted_regularized_triplet *a, xr_stream stream) {
  XR_TRY(xr_weighted_regularized_triplet_check(a));
  return xr_scaled_copy_cuda(name, a->dx, XR_F32, a->accumulate_dx, a->dloss, a->gradient, XR_F32, a->batch * a->width, stream);
}
