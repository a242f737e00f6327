#include "kernels/copy/gather_rows.h"

#include "kernels/common/pieces.cuh"

namespace {

template <class T> struct forward_body {
  T *y;
  const T *x;
  const int32_t *index;
  int64_t tokens, width;

  __device__ void operator()(int64_t b, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const int32_t t = index[b];
    const bool legal = t >= 0 && t < tokens;
    xr_piece_store(y + b * width + at, e, legal ? xr_piece_load<N>(x + (b * tokens + t) * width + at, e) : xr_filled<N>(NAN));
  }
};

/* Over the rows of dx: all of them when assigning, those that are not picked have nothing to do when accumulating. */
template <class T> struct backward_body {
  T *dx;
  const T *dy;
  const int32_t *index;
  uint32_t tokens;
  int64_t width;
  bool accumulate;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t b = (uint32_t)row / tokens, t = (uint32_t)row - b * tokens, picked = (uint32_t)index[b];
    T *to = dx + row * width + at;
    if (picked >= tokens)
      xr_piece_store(to, e, xr_filled<N>(NAN));
    else if (picked == t)
      xr_piece_store(to, e, xr_piece_load<N>(dy + b * width + at, e), accumulate);
    else if (!accumulate)
      xr_piece_store(to, e, xr_filled<N>(0.0f));
  }
};

} // namespace

xr_status xr_gather_rows_forward_cuda(const xr_gather_rows *a, xr_stream stream) {
  XR_TRY(xr_gather_rows_check(a));
  return xr_for_dtype(a->dtype, "gather_rows", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const forward_body<T> body = {(T *)a->y, (const T *)a->x, a->index, a->tokens, a->width};
    return xr_for_pieces<N>("gather_rows", body, a->batch, a->width, a->width % N == 0, stream);
  });
}

xr_status xr_gather_rows_backward_cuda(const xr_gather_rows *a, xr_stream stream) {
  XR_TRY(xr_gather_rows_check(a));
  return xr_for_dtype(a->dtype, "gather_rows", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const backward_body<T> body = {(T *)a->dx, (const T *)a->dy, a->index, (uint32_t)a->tokens, a->width, a->accumulate_dx};
    return xr_for_pieces<N>("gather_rows backward", body, a->batch * a->tokens, a->width, a->width % N == 0, stream);
  });
}
