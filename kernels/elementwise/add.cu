#include "kernels/elementwise/add.h"

#include "kernels/common/pieces.cuh"

namespace {

template <class T> struct forward_body {
  T *y;
  const T *a, *b;
  float alpha, beta;

  __device__ void operator()(int64_t, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const xr_pack<N> l = xr_piece_load<N>(a + at, e), r = xr_piece_load<N>(b + at, e);
    xr_pack<N> sum;
#pragma unroll
    for (int i = 0; i < N; i++) sum.v[i] = alpha * l.v[i] + beta * r.v[i];
    xr_piece_store(y + at, e, sum);
  }
};

/* Both gradients from one reading of dy. */
template <class T> struct backward_body {
  T *da, *db;
  const T *dy;
  float alpha, beta;
  bool accumulate_da, accumulate_db;

  __device__ void operator()(int64_t, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const xr_pack<N> g = xr_piece_load<N>(dy + at, e);
    xr_pack<N> l, r;
#pragma unroll
    for (int i = 0; i < N; i++) {
      l.v[i] = alpha * g.v[i];
      r.v[i] = beta * g.v[i];
    }
    if (da) xr_piece_store(da + at, e, l, accumulate_da);
    if (db) xr_piece_store(db + at, e, r, accumulate_db);
  }
};

} // namespace

xr_status xr_add_forward_cuda(const xr_add *a, xr_stream stream) {
  XR_TRY(xr_add_check(a));
  return xr_for_dtype(a->dtype, "add", [&](auto element) {
    using T = decltype(element);
    const forward_body<T> body = {(T *)a->y, (const T *)a->a, (const T *)a->b, a->alpha, a->beta};
    return xr_for_elements<xr_vec_width<T>>("add", body, a->count, stream);
  });
}

xr_status xr_add_backward_cuda(const xr_add *a, xr_stream stream) {
  XR_TRY(xr_add_check(a));
  if (!a->da && !a->db) return XR_OK;
  return xr_for_dtype(a->dtype, "add", [&](auto element) {
    using T = decltype(element);
    const backward_body<T> body = {(T *)a->da, (T *)a->db, (const T *)a->dy, a->alpha, a->beta, a->accumulate_da, a->accumulate_db};
    return xr_for_elements<xr_vec_width<T>>("add backward", body, a->count, stream);
  });
}
