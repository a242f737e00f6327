#include "kernels/elementwise/gated_mix.h"

#include "kernels/activation/activation.h"
#include "kernels/common/pieces.cuh"

namespace {

template <class T> struct forward_body {
  T *out;
  const T *z, *a, *b;

  __device__ void operator()(int64_t, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    xr_pack<N> mix = xr_piece_load<N>(z + at, e);
    const xr_pack<N> l = xr_piece_load<N>(a + at, e), r = xr_piece_load<N>(b + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) {
      const float s = xr_sigmoid(mix.v[i]);
      mix.v[i] = s * l.v[i] + (1.0f - s) * r.v[i];
    }
    xr_piece_store(out + at, e, mix);
  }
};

template <class T> struct backward_body {
  T *dz, *da, *db;
  const T *dout, *z, *a, *b;
  bool accumulate_dz, accumulate_da, accumulate_db;

  __device__ void operator()(int64_t, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    xr_pack<N> gate = xr_piece_load<N>(z + at, e), l = xr_piece_load<N>(a + at, e), r = xr_piece_load<N>(b + at, e);
    const xr_pack<N> g = xr_piece_load<N>(dout + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) {
      const float s = xr_sigmoid(gate.v[i]), difference = l.v[i] - r.v[i];
      l.v[i] = s * g.v[i];
      r.v[i] = (1.0f - s) * g.v[i];
      gate.v[i] = (1.0f - s) * l.v[i] * difference;
    }
    if (dz) xr_piece_store(dz + at, e, gate, accumulate_dz);
    if (da) xr_piece_store(da + at, e, l, accumulate_da);
    if (db) xr_piece_store(db + at, e, r, accumulate_db);
  }
};

} // namespace

xr_status xr_gated_mix_forward_cuda(const xr_gated_mix_args *k, xr_stream stream) {
  XR_TRY(xr_gated_mix_check(k));
  return xr_for_dtype(k->dtype, "gated_mix", [&](auto element) {
    using T = decltype(element);
    const forward_body<T> body = {(T *)k->out, (const T *)k->z, (const T *)k->a, (const T *)k->b};
    return xr_for_elements<xr_vec_width<T>>("gated_mix", body, k->count, stream);
  });
}

xr_status xr_gated_mix_backward_cuda(const xr_gated_mix_args *k, xr_stream stream) {
  XR_TRY(xr_gated_mix_check(k));
  return xr_for_dtype(k->dtype, "gated_mix", [&](auto element) {
    using T = decltype(element);
    const backward_body<T> body = {(T *)k->dz,      (T *)k->da,      (T *)k->db,       (const T *)k->dout, (const T *)k->z,
                                   (const T *)k->a, (const T *)k->b, k->accumulate_dz, k->accumulate_da,   k->accumulate_db};
    return xr_for_elements<xr_vec_width<T>>("gated_mix backward", body, k->count, stream);
  });
}
