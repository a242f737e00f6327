#include "kernels/embedding_set/token_pool.h"

#include "kernels/common/column_sum.cuh"
#include "kernels/common/reduce.cuh"

namespace {

constexpr int WARPS = 4;

/* One strip of columns of one element of one sample. */
template <class T>
__global__ void __launch_bounds__(XR_SUM_LANES *XR_SUM_GROUPS) pool_kernel(const xr_token_pool a, uint32_t strips, bool wide) {
  constexpr int N = xr_vec_width<T>;
  const uint32_t unit = blockIdx.x / strips, k = unit % (uint32_t)a.set, b = unit / (uint32_t)a.set;
  const int64_t at = ((int64_t)(blockIdx.x - unit * strips) * XR_SUM_LANES + threadIdx.x) * N;
  const xr_extent e = xr_extent_at<N>(at, a.width, wide);
  const T *x = (const T *)a.x + b * a.tokens * a.width + at;
  const float *w = a.weights + b * a.tokens * a.set + k;
  const int64_t width = a.width, set = a.set;
  const xr_pack<N> y = xr_column_sum_of<N>(a.tokens, [=](int64_t n) {
    xr_pack<N> piece = xr_piece_load<N>(x + n * width, e);
    const float weight = w[n * set];
#pragma unroll
    for (int i = 0; i < N; i++) piece.v[i] *= weight;
    return piece;
  });
  if (threadIdx.y == 0) xr_piece_store((T *)a.y + unit * a.width + at, e, y);
}

template <class T> struct dx_body {
  xr_token_pool a;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const T *dy = (const T *)a.dy + (uint32_t)row / (uint32_t)a.tokens * a.set * a.width + at;
    const float *w = a.weights + row * a.set;
    xr_pack<N> sum = xr_filled<N>(0.0f);
    for (int k = 0; k < (int)a.set; k++) {
      const xr_pack<N> g = xr_piece_load<N>(dy + k * a.width, e);
#pragma unroll
      for (int i = 0; i < N; i++) sum.v[i] += w[k] * g.v[i];
    }
    xr_piece_store((T *)a.dx + row * a.width + at, e, sum, a.accumulate_dx);
  }
};

/* A warp for each token. */
template <class T> __global__ void __launch_bounds__(32 * WARPS) dweights_kernel(const xr_token_pool a, bool wide) {
  constexpr int N = xr_vec_width<T>;
  const int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
  if (row >= a.batch * a.tokens) return;
  const T *x = (const T *)a.x + row * a.width, *dy = (const T *)a.dy + row / a.tokens * a.set * a.width;
  for (int k = 0; k < (int)a.set; k++, dy += a.width) {
    float sum = 0;
    for (int64_t at = (threadIdx.x % 32) * N; at < a.width; at += 32 * N) {
      const xr_extent e = xr_extent_at<N>(at, a.width, wide);
      const xr_pack<N> g = xr_piece_load<N>(dy + at, e), v = xr_piece_load<N>(x + at, e);
#pragma unroll
      for (int i = 0; i < N; i++) sum += g.v[i] * v.v[i];
    }
    sum = xr_warp_sum(sum);
    float *to = a.dweights + row * a.set + k;
    if (threadIdx.x % 32 == 0) *to = a.accumulate_dweights ? *to + sum : sum;
  }
}

} // namespace

xr_status xr_token_pool_forward_cuda(const xr_token_pool *a, xr_stream stream) {
  XR_TRY(xr_token_pool_check(a));
  return xr_for_dtype(a->dtype, "token_pool", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const uint32_t strips = xr_sum_strips<N>(a->width);
    return xr_launch("token_pool", pool_kernel<T>, a->batch * a->set * strips, dim3(XR_SUM_LANES, XR_SUM_GROUPS), 0, stream, *a, strips,
                     a->width % N == 0);
  });
}

xr_status xr_token_pool_backward_cuda(const xr_token_pool *a, xr_stream stream) {
  XR_TRY(xr_token_pool_check(a));
  return xr_for_dtype(a->dtype, "token_pool", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const int64_t rows = a->batch * a->tokens;
    const bool wide = a->width % N == 0;
    if (a->dx) XR_TRY(xr_for_pieces<N>("token_pool backward", dx_body<T>{*a}, rows, a->width, wide, stream));
    if (!a->dweights) return XR_OK;
    return xr_launch("token_pool backward", dweights_kernel<T>, xr_blocks(rows, WARPS), dim3(32 * WARPS), 0, stream, *a, wide);
  });
}
