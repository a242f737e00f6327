/* Reductions over a warp and a block, always in the same order: every thread gets the same bits, run after run. All threads of the warp
 * or block take part. */
#pragma once

#include <cuda_runtime.h>

struct xr_plus {
  template <class T> __device__ __forceinline__ T operator()(T a, T b) const { return a + b; }
};
struct xr_max { /* a NaN wins */
  __device__ __forceinline__ float operator()(float a, float b) const { return a > b || a != a ? a : b; }
  __device__ __forceinline__ int operator()(int a, int b) const { return a > b ? a : b; }
};
struct xr_min { /* a NaN wins */
  __device__ __forceinline__ float operator()(float a, float b) const { return a < b || a != a ? a : b; }
  __device__ __forceinline__ int operator()(int a, int b) const { return a < b ? a : b; }
};

/* Over groups of `Lanes` neighbours (a power of two). */
template <int Lanes = 32, class T, class Op> static __device__ __forceinline__ T xr_warp_reduce(T value, Op op) {
#pragma unroll
  for (int distance = Lanes / 2; distance > 0; distance /= 2) value = op(value, __shfl_xor_sync(0xffffffffu, value, distance));
  return value;
}
template <int Lanes = 32, class T> static __device__ __forceinline__ T xr_warp_sum(T value) {
  return xr_warp_reduce<Lanes>(value, xr_plus());
}
template <int Lanes = 32, class T> static __device__ __forceinline__ T xr_warp_max(T value) {
  return xr_warp_reduce<Lanes>(value, xr_max());
}

/* Many sums at once: each x[i] over groups of `Lanes` (16 or 32) neighbours; lane l of a group gets the sum of x[l % 16]. Fifteen exchanges
 * or sixteen, where sixteen sums one by one would take 64 or 80. x is used up. */
template <int Lanes> static __device__ __forceinline__ float xr_lane_sums(float (&x)[16], int lane) {
#pragma unroll
  for (int half = 8; half; half /= 2) {
    const bool upper = lane & half;
#pragma unroll
    for (int i = 0; i < half; i++) {
      const float low = x[i], high = x[i + half];
      x[i] = (upper ? high : low) + __shfl_xor_sync(0xffffffffu, upper ? low : high, half);
    }
  }
  return Lanes == 32 ? x[0] + __shfl_xor_sync(0xffffffffu, x[0], 16) : x[0];
}

/* Over a one-dimensional block of Threads (a multiple of 32, up to 1024). May be called again at once. */
template <int Threads, class T, class Op> static __device__ __forceinline__ T xr_block_reduce(T value, Op op) {
  static_assert(Threads % 32 == 0 && Threads <= 1024, "whole warps");
  constexpr int warps = Threads / 32;
  value = xr_warp_reduce(value, op);
  if constexpr (warps > 1) {
    __shared__ T partial[warps];
    __syncthreads(); /* of an earlier call, all have read */
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
    __syncthreads();
    value = partial[0];
#pragma unroll
    for (int w = 1; w < warps; w++) value = op(value, partial[w]);
  }
  return value;
}
template <int Threads, class T> static __device__ __forceinline__ T xr_block_sum(T value) {
  return xr_block_reduce<Threads>(value, xr_plus());
}
template <int Threads, class T> static __device__ __forceinline__ T xr_block_max(T value) {
  return xr_block_reduce<Threads>(value, xr_max());
}
