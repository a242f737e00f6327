/* position_gradient.h for CUDA: the gradient of position tables and class tokens. */
#pragma once

#include "kernels/common/column_sum.cuh"

template <class T>
__global__ void __launch_bounds__(XR_SUM_LANES *XR_SUM_GROUPS)
    xr_sum_over_batch_kernel(float *out, bool accumulate, float *first_out, bool accumulate_first, const T *dy, int64_t batch,
                             int64_t tokens, int64_t width, uint32_t strips, bool wide) {
  constexpr int N = xr_vec_width<T>;
  const uint32_t token = blockIdx.x / strips;
  const int64_t at = ((int64_t)(blockIdx.x - token * strips) * XR_SUM_LANES + threadIdx.x) * N;
  const xr_extent e = xr_extent_at<N>(at, width, wide);
  const xr_pack<N> sum = xr_column_sum<N>(dy + token * width + at, tokens * width, batch, e);
  if (threadIdx.y != 0) return;
  if (out) xr_piece_store(out + token * width + at, e, sum, accumulate);
  if (first_out && token == 0) xr_piece_store(first_out + at, e, sum, accumulate_first);
}

/* out[token, :] (+)= sum over b of dy[b, token, :] and first_out (+)= the sum of token 0; either may be NULL. dy [batch, tokens, width]. */
static inline xr_status xr_sum_over_batch_cuda(const char *name, float *out, bool accumulate, float *first_out, bool accumulate_first,
                                               const void *dy, xr_dtype dtype, int64_t batch, int64_t tokens, int64_t width,
                                               xr_stream stream) {
  const int64_t sums = out ? tokens : first_out ? 1 : 0;
  if (sums == 0) return XR_OK;
  return xr_for_dtype(dtype, name, [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const uint32_t strips = xr_sum_strips<N>(width);
    return xr_launch(name, xr_sum_over_batch_kernel<T>, sums * strips, dim3(XR_SUM_LANES, XR_SUM_GROUPS), 0, stream, out, accumulate,
                     first_out, accumulate_first, (const T *)dy, batch, tokens, width, strips, width % N == 0);
  });
}
