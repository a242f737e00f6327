/* Distances and gradients of rows on the device. */
#pragma once

#include "kernels/common/reduce.cuh"
#include "kernels/loss/row_pairs.h"

enum { XR_PAIR_THREADS = 256, XR_PAIR_WARPS = XR_PAIR_THREADS / 32 };

/* By a whole warp: every lane gets it. */
static __device__ __forceinline__ float xr_warp_squared_distance(const float *a, const float *b, int64_t width) {
  float sum = 0;
  if (width % 4 == 0) { /* rows start at multiples of 16 bytes then */
    const float4 *u = reinterpret_cast<const float4 *>(a), *v = reinterpret_cast<const float4 *>(b);
    for (int64_t k = threadIdx.x % 32; k < width / 4; k += 32) {
      const float4 p = u[k], q = v[k];
      sum += (p.x - q.x) * (p.x - q.x) + (p.y - q.y) * (p.y - q.y) + (p.z - q.z) * (p.z - q.z) + (p.w - q.w) * (p.w - q.w);
    }
  } else {
    for (int64_t k = threadIdx.x % 32; k < width; k += 32) sum += (a[k] - b[k]) * (a[k] - b[k]);
  }
  return xr_warp_sum(sum);
}

/* Column `column` of sum over j < count of factor[j] (z_i - z_j), by a block whose threads have different columns; factors go through
 * shared memory. All threads of the block take part, those beyond the width, too. */
static __device__ __forceinline__ float xr_pair_gradient(const xr_pair_rows &rows, int64_t i, const float *factor, int64_t count,
                                                         int64_t column) {
  __shared__ float chunk[XR_PAIR_THREADS];
  const bool inside = column < rows.width;
  const float own = inside ? xr_pair_row(&rows, i)[column] : 0;
  float sum = 0;
  for (int64_t first = 0; first < count; first += XR_PAIR_THREADS) {
    const int64_t left = count - first;
    const int n = left < XR_PAIR_THREADS ? (int)left : XR_PAIR_THREADS;
    __syncthreads();
    if ((int)threadIdx.x < n) chunk[threadIdx.x] = factor[first + threadIdx.x];
    __syncthreads();
    for (int j = 0; j < n && inside; j++) {
      const float f = chunk[j];
      if (f != 0) sum += f * (own - xr_pair_row(&rows, first + j)[column]);
    }
  }
  return sum;
}
