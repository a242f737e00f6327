#include "kernels/copy/slice.h"

#include "kernels/copy/runs.cuh"

namespace {

/* All of dx in one pass: dy inside the slice, 0 around it. Row by row of [outer], each `whole` elements. */
template <class T> struct assign_body {
  T *dx;
  const T *dy;
  int64_t whole, before, run;

  __device__ void operator()(int64_t o, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const T *from = dy + o * run + (at - before);
    xr_pack<N> values = xr_filled<N>(0.0f);
    if (at >= before && at + e.n <= before + run) {
      values = xr_piece_load<N>(from, e);
    } else {
#pragma unroll
      for (int i = 0; i < N; i++)
        if (i < e.n && at + i >= before && at + i < before + run) values.v[i] = xr_to_float(from[i]);
    }
    xr_piece_store(dx + o * whole + at, e, values);
  }
};

} // namespace

xr_status xr_slice_forward_cuda(const xr_slice *a, xr_stream stream) {
  XR_TRY(xr_slice_check(a));
  const int64_t run = a->length * a->inner;
  return xr_copy_runs_cuda("slice", {a->y, 0, run}, false, {(void *)a->x, a->start * a->inner, a->axis * a->inner}, a->dtype, a->outer, run,
                           stream);
}

xr_status xr_slice_backward_cuda(const xr_slice *a, xr_stream stream) {
  XR_TRY(xr_slice_check(a));
  const int64_t run = a->length * a->inner, whole = a->axis * a->inner, before = a->start * a->inner;
  if (a->accumulate_dx)
    return xr_copy_runs_cuda("slice backward", {a->dx, before, whole}, true, {(void *)a->dy, 0, run}, a->dtype, a->outer, run, stream);
  return xr_for_dtype(a->dtype, "slice", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const assign_body<T> body = {(T *)a->dx, (const T *)a->dy, whole, before, run};
    return xr_for_pieces<N>("slice backward", body, a->outer, whole, whole % N == 0 && before % N == 0 && run % N == 0, stream);
  });
}
