/* A block of threads a set: its warps share the pairs, then, in backward, its threads the columns. */
#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/loss/set_spread_pair.h"

enum { MOST = XR_MAX_SET_SIZE, THREADS = 256, WARPS = THREADS / 32 };

/* pair[k][l] of all k != l, in shared memory; the sum of the terms of k < l, in all threads of every warp the same. */
static __device__ float pairs_of(const xr_set_spread &a, const float *x, float (&pair)[MOST][MOST]) {
  const int size = (int)a.size, lane = threadIdx.x % 32;
  for (int q = threadIdx.x / 32; q < size * size; q += WARPS) {
    const int k = q / size, l = q % size;
    if (k >= l) continue;
    const float *u = x + k * a.width, *v = x + l * a.width;
    float sum = 0;
    for (int64_t i = lane; i < a.width; i += 32) sum += xr_spread_product(a.kind, u[i], v[i]);
    sum = xr_warp_sum(sum);
    if (lane == 0) pair[k][l] = pair[l][k] = sum;
  }
  __syncthreads();
  float sum = 0;
  for (int q = lane; q < size * size; q += 32)
    if (q / size < q % size) sum += xr_spread_term(a.kind, pair[q / size][q % size]);
  return xr_warp_sum(sum);
}

static __global__ void __launch_bounds__(THREADS) forward_kernel(const xr_set_spread a) {
  __shared__ float pair[MOST][MOST];
  const float sum = pairs_of(a, a.x + (int64_t)blockIdx.x * a.size * a.width, pair);
  if (threadIdx.x == 0) a.workspace[blockIdx.x] = xr_spread_value(a.kind, (int)a.size, sum);
}

static __global__ void __launch_bounds__(THREADS) mean_kernel(const xr_set_spread a) {
  double total = 0;
  for (int64_t b = threadIdx.x; b < a.batch; b += THREADS) total += (double)a.workspace[b];
  total = xr_block_sum<THREADS>(total);
  if (threadIdx.x == 0) a.loss[0] = (float)(total / (double)a.batch);
}

static __global__ void __launch_bounds__(THREADS) backward_kernel(const xr_set_spread a) {
  __shared__ float pair[MOST][MOST];
  const int size = (int)a.size;
  const int64_t first = (int64_t)blockIdx.x * a.size * a.width;
  const float *x = a.x + first, sum = pairs_of(a, x, pair), upstream = a.dloss[0] / (float)a.batch;
  __syncthreads(); /* all have read the pairs */
  for (int q = threadIdx.x; q < size * size; q += THREADS) {
    const int k = q / size, l = q % size;
    pair[k][l] = k == l ? 0 : upstream * xr_spread_factor(a.kind, size, sum, pair[k][l]);
  }
  __syncthreads();
  const bool differences = a.kind == XR_SPREAD_UNIFORMITY;
  for (int64_t c = threadIdx.x; c < a.width; c += THREADS) {
    float u[MOST];
#pragma unroll
    for (int k = 0; k < MOST; k++) u[k] = k < size ? x[k * a.width + c] : 0;
#pragma unroll 1 /* the elements stay in registers, the factors do not */
    for (int k = 0; k < size; k++) {
      const float own = differences ? x[k * a.width + c] : 0, sign = differences ? -1 : 1;
      float g = 0;
#pragma unroll
      for (int l = 0; l < MOST; l++)
        if (l < size) g += pair[k][l] * (own + sign * u[l]);
      float *to = a.dx + first + k * a.width + c;
      *to = a.accumulate_dx ? *to + g : g;
    }
  }
}

extern "C" xr_status xr_set_spread_forward_cuda(const xr_set_spread *a, xr_stream stream) {
  XR_TRY(xr_set_spread_check(a));
  XR_TRY(xr_launch("set_spread", forward_kernel, a->batch, THREADS, 0, stream, *a));
  return xr_launch("set_spread mean", mean_kernel, 1, THREADS, 0, stream, *a);
}

extern "C" xr_status xr_set_spread_backward_cuda(const xr_set_spread *a, xr_stream stream) {
  XR_TRY(xr_set_spread_check(a));
  return xr_launch("set_spread backward", backward_kernel, a->batch, THREADS, 0, stream, *a);
}
