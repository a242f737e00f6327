/* row_sum.h for CUDA. One block of threads sums one strip of XR_SUM_LANES pieces over one block of rows; a second kernel adds the partial
 * sums, where there are several. */
#pragma once

#include "kernels/common/column_sum.cuh"
#include "kernels/elementwise/row_sum.h"

/* What a block of threads works on. The column is that of the thread's piece. */
struct xr_row_sum_part {
  int64_t block, first, count, at; /* block of rows, its first row and their number; column */
  xr_extent e;
};

template <int N>
static __device__ __forceinline__ xr_row_sum_part xr_row_sum_part_here(int64_t rows, int64_t each, int64_t cols, bool wide) {
  const uint32_t strips = (uint32_t)((cols + N * XR_SUM_LANES - 1) / (N * XR_SUM_LANES)), block = blockIdx.x / strips;
  const int64_t at = ((int64_t)(blockIdx.x - block * strips) * XR_SUM_LANES + threadIdx.x) * N;
  const int64_t first = block * each, left = rows - first;
  return {block, first, left < 0 ? 0 : left < each ? left : each, at, xr_extent_at<N>(at, cols, wide)};
}

/* Grid and block of the first kernel. */
template <int N> static int64_t xr_row_sum_grid(int64_t rows, int64_t cols) {
  return xr_row_sum_blocks(rows, cols) * xr_sum_strips<N>(cols);
}
static inline dim3 xr_row_sum_threads() { return dim3(XR_SUM_LANES, XR_SUM_GROUPS); }

template <class Out>
__global__ void __launch_bounds__(XR_SUM_LANES *XR_SUM_GROUPS)
    xr_row_sum_fold_kernel(Out *out, bool accumulate, const float *partials, int64_t blocks, int64_t cols, bool wide) {
  constexpr int N = xr_vec_width<float>;
  const int64_t at = ((int64_t)blockIdx.x * XR_SUM_LANES + threadIdx.x) * N;
  const xr_extent e = xr_extent_at<N>(at, cols, wide);
  const xr_pack<N> sum = xr_column_sum<N>(partials + at, cols, blocks, e);
  if (threadIdx.y != 0) return;
#pragma unroll
  for (int i = 0; i < N; i++)
    if (i < e.n) out[at + i] = xr_from_float<Out>(accumulate ? xr_to_float(out[at + i]) + sum.v[i] : sum.v[i]);
}

/* out[cols] (+)= the partial sums f32 [blocks, cols]. */
template <class Out>
static xr_status xr_row_sum_fold(const char *name, Out *out, bool accumulate, const float *partials, int64_t blocks, int64_t cols,
                                 xr_stream stream) {
  constexpr int N = xr_vec_width<float>;
  return xr_launch(name, xr_row_sum_fold_kernel<Out>, xr_sum_strips<N>(cols), xr_row_sum_threads(), 0, stream, out, accumulate, partials,
                   blocks, cols, cols % N == 0);
}
