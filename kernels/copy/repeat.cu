#include "kernels/copy/repeat.h"

#include "kernels/common/pieces.cuh"

namespace {

template <class T> struct forward_body {
  T *y;
  const T *x;
  int64_t count, inner;

  __device__ void operator()(int64_t outer, int64_t at, xr_extent e) const {
    const auto values = xr_piece_load<xr_vec_width<T>>(x + outer * inner + at, e);
    T *to = y + outer * count * inner + at;
    for (int64_t c = 0; c < count; c++) xr_piece_store(to + c * inner, e, values);
  }
};

template <class T> struct backward_body {
  T *dx;
  const T *dy;
  int64_t count, inner;
  bool accumulate;

  __device__ void operator()(int64_t outer, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const T *from = dy + outer * count * inner + at;
    xr_pack<N> sum = xr_filled<N>(0.0f);
#pragma unroll 4
    for (int64_t c = 0; c < count; c++) {
      const xr_pack<N> term = xr_piece_load<N>(from + c * inner, e);
#pragma unroll
      for (int i = 0; i < N; i++) sum.v[i] += term.v[i];
    }
    xr_piece_store(dx + outer * inner + at, e, sum, accumulate);
  }
};

} // namespace

xr_status xr_repeat_forward_cuda(const xr_repeat *a, xr_stream stream) {
  XR_TRY(xr_repeat_check(a));
  return xr_for_dtype(a->dtype, "repeat", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const forward_body<T> body = {(T *)a->y, (const T *)a->x, a->count, a->inner};
    return xr_for_pieces<N>("repeat", body, a->outer, a->inner, a->inner % N == 0, stream);
  });
}

xr_status xr_repeat_backward_cuda(const xr_repeat *a, xr_stream stream) {
  XR_TRY(xr_repeat_check(a));
  return xr_for_dtype(a->dtype, "repeat", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const backward_body<T> body = {(T *)a->dx, (const T *)a->dy, a->count, a->inner, a->accumulate_dx};
    return xr_for_pieces<N>("repeat backward", body, a->outer, a->inner, a->inner % N == 0, stream);
  });
}
