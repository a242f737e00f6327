/* Sums of equally spaced rows: a block sums one strip of XR_SUM_LANES pieces, its XR_SUM_GROUPS warps share the rows.
 *
 * Warp g adds the rows g, g + XR_SUM_GROUPS, ..; then the warps' sums are added in order. The order depends on the number of rows
 * alone, so results are the same from run to run. */
#pragma once

#include "kernels/common/pieces.cuh"

enum { XR_SUM_LANES = 32, XR_SUM_GROUPS = 8 };

/* Blocks for one row of `width` elements in pieces of N. */
template <int N> static uint32_t xr_sum_strips(int64_t width) { return (uint32_t)((width + N * XR_SUM_LANES - 1) / (N * XR_SUM_LANES)); }

/* term(0) + term(1) + .. + term(count - 1); right in the first warp (threadIdx.y = 0) only. Each term is asked for once; a thread asks for
 * its own in rising order. All threads of a block of XR_SUM_LANES x XR_SUM_GROUPS call it, once. */
template <int N, class Term> __device__ __forceinline__ xr_pack<N> xr_column_sum_of(int64_t count, const Term &term) {
  __shared__ float part[XR_SUM_GROUPS][N][XR_SUM_LANES];
  xr_pack<N> sum = xr_filled<N>(0.0f);
#pragma unroll 4
  for (int64_t k = threadIdx.y; k < count; k += XR_SUM_GROUPS) {
    const xr_pack<N> x = term(k);
#pragma unroll
    for (int i = 0; i < N; i++) sum.v[i] += x.v[i];
  }
#pragma unroll
  for (int i = 0; i < N; i++) part[threadIdx.y][i][threadIdx.x] = sum.v[i];
  __syncthreads();
  if (threadIdx.y == 0) {
    for (int g = 1; g < XR_SUM_GROUPS; g++)
#pragma unroll
      for (int i = 0; i < N; i++) sum.v[i] += part[g][i][threadIdx.x];
  }
  return sum;
}

/* first[0] + first[stride] + .., `count` pieces, in the same way. */
template <int N, class T> __device__ xr_pack<N> xr_column_sum(const T *first, int64_t stride, int64_t count, xr_extent e) {
  return xr_column_sum_of<N>(count, [=](int64_t k) { return xr_piece_load<N>(first + k * stride, e); });
}
