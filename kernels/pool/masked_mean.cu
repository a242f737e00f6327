#include "kernels/pool/masked_mean.h"

#include "kernels/common/column_sum.cuh"

namespace {

/* End of sample b's tokens; less than 0 when its length is illegal. */
__device__ int64_t end_of(const int32_t *length, int64_t b, int64_t tokens) {
  if (!length) return tokens;
  return length[b] > tokens ? -1 : length[b];
}

template <class T>
__global__ void __launch_bounds__(XR_SUM_LANES *XR_SUM_GROUPS)
    mean_kernel(T *y, const T *x, const int32_t *length, int64_t tokens, int64_t width, int64_t first, uint32_t strips, bool wide) {
  constexpr int N = xr_vec_width<T>;
  const uint32_t b = blockIdx.x / strips;
  const int64_t at = ((int64_t)(blockIdx.x - b * strips) * XR_SUM_LANES + threadIdx.x) * N;
  const xr_extent e = xr_extent_at<N>(at, width, wide);
  const int64_t end = end_of(length, b, tokens), valid = end - first;
  xr_pack<N> mean = xr_column_sum<N>(x + (b * tokens + first) * width + at, width, valid, e);
  if (threadIdx.y != 0) return;
  const float count = end < 0 ? NAN : valid > 0 ? (float)valid : 1.0f;
#pragma unroll
  for (int i = 0; i < N; i++) mean.v[i] /= count;
  xr_piece_store(y + b * width + at, e, mean);
}

template <class T> struct backward_body {
  T *dx;
  const T *dy;
  const int32_t *length;
  int64_t tokens, width, first;
  bool accumulate;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t b = (uint32_t)row / (uint32_t)tokens, t = (uint32_t)row - b * (uint32_t)tokens;
    const int64_t end = end_of(length, b, tokens);
    T *to = dx + row * width + at;
    if (end < 0) {
      xr_piece_store(to, e, xr_filled<N>(NAN));
    } else if (t >= first && t < end) {
      const float count = (float)(end - first);
      xr_pack<N> g = xr_piece_load<N>(dy + b * width + at, e);
#pragma unroll
      for (int i = 0; i < N; i++) g.v[i] /= count;
      xr_piece_store(to, e, g, accumulate);
    } else if (!accumulate) {
      xr_piece_store(to, e, xr_filled<N>(0.0f));
    }
  }
};

} // namespace

xr_status xr_masked_mean_forward_cuda(const xr_masked_mean *a, xr_stream stream) {
  XR_TRY(xr_masked_mean_check(a));
  return xr_for_dtype(a->dtype, "masked_mean", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const uint32_t strips = xr_sum_strips<N>(a->width);
    return xr_launch("masked_mean", mean_kernel<T>, a->batch * strips, dim3(XR_SUM_LANES, XR_SUM_GROUPS), 0, stream, (T *)a->y,
                     (const T *)a->x, a->length, a->tokens, a->width, a->first, strips, a->width % N == 0);
  });
}

xr_status xr_masked_mean_backward_cuda(const xr_masked_mean *a, xr_stream stream) {
  XR_TRY(xr_masked_mean_check(a));
  return xr_for_dtype(a->dtype, "masked_mean", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const backward_body<T> body = {(T *)a->dx, (const T *)a->dy, a->length, a->tokens, a->width, a->first, a->accumulate_dx};
    return xr_for_pieces<N>("masked_mean backward", body, a->batch * a->tokens, a->width, a->width % N == 0, stream);
  });
}
