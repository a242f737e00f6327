#include "kernels/activation/activation.h"

#include "kernels/common/pieces.cuh"

namespace {

template <class T> struct forward_body {
  T *y;
  const T *x;
  xr_activation_kind kind;

  __device__ void operator()(int64_t, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    xr_pack<N> value = xr_piece_load<N>(x + at, e);
    if (kind == XR_ACTIVATION_QUICK_GELU) {
#pragma unroll
      for (int i = 0; i < N; i++) value.v[i] = xr_quick_gelu(value.v[i]);
    } else if (kind == XR_ACTIVATION_GELU) {
#pragma unroll
      for (int i = 0; i < N; i++) value.v[i] = xr_gelu(value.v[i]);
    } else if (kind == XR_ACTIVATION_TANH) {
#pragma unroll
      for (int i = 0; i < N; i++) value.v[i] = xr_tanh(value.v[i]);
    } else if (kind == XR_ACTIVATION_LOGISTIC) {
#pragma unroll
      for (int i = 0; i < N; i++) value.v[i] = xr_sigmoid(value.v[i]);
    }
    xr_piece_store(y + at, e, value);
  }
};

template <class T> struct backward_body {
  T *dx;
  const T *dy, *x;
  xr_activation_kind kind;
  bool accumulate;

  __device__ void operator()(int64_t, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const xr_pack<N> value = xr_piece_load<N>(x + at, e);
    xr_pack<N> g = xr_piece_load<N>(dy + at, e);
    if (kind == XR_ACTIVATION_QUICK_GELU) {
#pragma unroll
      for (int i = 0; i < N; i++) g.v[i] *= xr_quick_gelu_slope(value.v[i]);
    } else if (kind == XR_ACTIVATION_GELU) {
#pragma unroll
      for (int i = 0; i < N; i++) g.v[i] *= xr_gelu_slope(value.v[i]);
    } else if (kind == XR_ACTIVATION_TANH) {
#pragma unroll
      for (int i = 0; i < N; i++) g.v[i] *= xr_tanh_slope(value.v[i]);
    } else if (kind == XR_ACTIVATION_LOGISTIC) {
#pragma unroll
      for (int i = 0; i < N; i++) g.v[i] *= xr_sigmoid_slope(value.v[i]);
    }
    xr_piece_store(dx + at, e, g, accumulate);
  }
};

} // namespace

xr_status xr_activation_forward_cuda(const xr_activation *a, xr_stream stream) {
  XR_TRY(xr_activation_check(a));
  return xr_for_dtype(a->dtype, "activation", [&](auto element) {
    using T = decltype(element);
    const forward_body<T> body = {(T *)a->y, (const T *)a->x, a->kind};
    return xr_for_elements<xr_vec_width<T>>("activation", body, a->count, stream);
  });
}

xr_status xr_activation_backward_cuda(const xr_activation *a, xr_stream stream) {
  XR_TRY(xr_activation_check(a));
  return xr_for_dtype(a->dtype, "activation", [&](auto element) {
    using T = decltype(element);
    const backward_body<T> body = {(T *)a->dx, (const T *)a->dy, (const T *)a->x, a->kind, a->accumulate_dx};
    return xr_for_elements<xr_vec_width<T>>("activation backward", body, a->count, stream);
  });
}
