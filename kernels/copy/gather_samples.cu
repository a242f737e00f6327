#include "kernels/copy/gather_samples.h"

#include "kernels/common/pieces.cuh"

namespace {

/* i32 goes as f32: bits are moved, nothing is computed. */
template <class T> struct forward_body {
  T *y;
  const T *x;
  const int32_t *index;
  uint32_t samples;
  int64_t width;

  __device__ void operator()(int64_t p, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t sample = (uint32_t)index[p];
    xr_piece_store(y + p * width + at, e,
                   sample < samples ? xr_piece_load<N>(x + sample * width + at, e) : xr_filled<N>(__int_as_float(-1)));
  }
};

/* Over the samples: a thread looks through all places for its piece. */
template <class T> struct backward_body {
  T *dx;
  const T *dy;
  const int32_t *index;
  int places;
  int64_t width;
  bool accumulate;

  __device__ void operator()(int64_t sample, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    xr_pack<N> sum = xr_filled<N>(0.0f);
#pragma unroll 1
    for (int p = 0; p < places; p++) {
      if (index[p] != sample) continue;
      const xr_pack<N> one = xr_piece_load<N>(dy + p * width + at, e);
#pragma unroll
      for (int i = 0; i < N; i++) sum.v[i] += one.v[i];
    }
    xr_piece_store(dx + sample * width + at, e, sum, accumulate);
  }
};

template <class T> xr_status forward(const xr_gather_samples *a, xr_stream stream) {
  constexpr int N = xr_vec_width<T>;
  const forward_body<T> body = {(T *)a->y, (const T *)a->x, a->index, (uint32_t)a->samples, a->width};
  return xr_for_pieces<N>("gather_samples", body, a->places, a->width, a->width % N == 0, stream);
}

} // namespace

xr_status xr_gather_samples_forward_cuda(const xr_gather_samples *a, xr_stream stream) {
  XR_TRY(xr_gather_samples_check(a));
  if (a->dtype == XR_I32) return forward<float>(a, stream);
  return xr_for_dtype(a->dtype, "gather_samples", [&](auto element) { return forward<decltype(element)>(a, stream); });
}

xr_status xr_gather_samples_backward_cuda(const xr_gather_samples *a, xr_stream stream) {
  XR_TRY(xr_gather_samples_check(a));
  return xr_for_dtype(a->dtype, "gather_samples", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const backward_body<T> body = {(T *)a->dx, (const T *)a->dy, a->index, (int)a->places, a->width, a->accumulate_dx};
    return xr_for_pieces<N>("gather_samples backward", body, a->samples, a->width, a->width % N == 0, stream);
  });
}
