#include "kernels/elementwise/pair_features.h"

#include "kernels/common/pieces.cuh"

namespace {

template <class T> struct forward_body {
  T *out;
  const T *v, *t;
  int64_t cols;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const xr_pack<N> l = xr_piece_load<N>(v + row * cols + at, e), r = xr_piece_load<N>(t + row * cols + at, e);
    xr_pack<N> product, distance;
#pragma unroll
    for (int i = 0; i < N; i++) {
      product.v[i] = l.v[i] * r.v[i];
      distance.v[i] = fabsf(l.v[i] - r.v[i]);
    }
    T *to = out + 4 * row * cols + at;
    xr_piece_store(to, e, l);
    xr_piece_store(to + cols, e, r);
    xr_piece_store(to + 2 * cols, e, product);
    xr_piece_store(to + 3 * cols, e, distance);
  }
};

template <class T> struct backward_body {
  T *dv, *dt;
  const T *dout, *v, *t;
  int64_t cols;
  bool accumulate_dv, accumulate_dt;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const int64_t place = row * cols + at;
    const T *from = dout + 4 * row * cols + at;
    const xr_pack<N> l = xr_piece_load<N>(v + place, e), r = xr_piece_load<N>(t + place, e);
    const xr_pack<N> product = xr_piece_load<N>(from + 2 * cols, e), distance = xr_piece_load<N>(from + 3 * cols, e);
    xr_pack<N> gv = xr_piece_load<N>(from, e), gt = xr_piece_load<N>(from + cols, e);
#pragma unroll
    for (int i = 0; i < N; i++) {
      const float sign = l.v[i] > r.v[i] ? 1.0f : l.v[i] < r.v[i] ? -1.0f : 0.0f, d = sign * distance.v[i];
      gv.v[i] = gv.v[i] + product.v[i] * r.v[i] + d;
      gt.v[i] = gt.v[i] + product.v[i] * l.v[i] - d;
    }
    if (dv) xr_piece_store(dv + place, e, gv, accumulate_dv);
    if (dt) xr_piece_store(dt + place, e, gt, accumulate_dt);
  }
};

} // namespace

xr_status xr_pair_features_forward_cuda(const xr_pair_features_args *a, xr_stream stream) {
  XR_TRY(xr_pair_features_check(a));
  return xr_for_dtype(a->dtype, "pair_features", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const forward_body<T> body = {(T *)a->out, (const T *)a->v, (const T *)a->t, a->cols};
    return xr_for_pieces<N>("pair_features", body, a->rows, a->cols, a->cols % N == 0, stream);
  });
}

xr_status xr_pair_features_backward_cuda(const xr_pair_features_args *a, xr_stream stream) {
  XR_TRY(xr_pair_features_check(a));
  return xr_for_dtype(a->dtype, "pair_features", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const backward_body<T> body = {(T *)a->dv,      (T *)a->dt, (const T *)a->dout, (const T *)a->v,
                                   (const T *)a->t, a->cols,    a->accumulate_dv,   a->accumulate_dt};
    return xr_for_pieces<N>("pair_features backward", body, a->rows, a->cols, a->cols % N == 0, stream);
  });
}
