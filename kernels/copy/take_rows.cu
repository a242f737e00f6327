#include "kernels/copy/take_rows.h"

#include "kernels/common/pieces.cuh"

namespace {

template <class T> struct forward_body {
  T *y;
  const T *x;
  const int32_t *index;
  int64_t rows, width;

  __device__ void operator()(int64_t r, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t none = 0xffffffffu, row = (uint32_t)index[r];
    const bool ascends = r == 0 || row == none || (uint32_t)index[r - 1] < row;
    xr_pack<N> values = xr_filled<N>(row == none ? 0.0f : NAN);
    if (ascends && row < rows) values = xr_piece_load<N>(x + (int64_t)row * width + at, e);
    xr_piece_store(y + r * width + at, e, values);
  }
};

/* Over the rows of dx: all of them when assigning, those that were not taken have nothing to do when accumulating. */
template <class T> struct backward_body {
  T *dx;
  const T *dy;
  const int32_t *index;
  uint32_t taken;
  int64_t width;
  bool accumulate;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    uint32_t low = 0, high = taken;
    while (low < high) { /* -1 is above every row */
      const uint32_t middle = (low + high) / 2;
      if ((uint32_t)index[middle] < (uint32_t)row)
        low = middle + 1;
      else
        high = middle;
    }
    T *to = dx + row * width + at;
    if (low < taken && (uint32_t)index[low] == (uint32_t)row)
      xr_piece_store(to, e, xr_piece_load<N>(dy + low * width + at, e), accumulate);
    else if (!accumulate)
      xr_piece_store(to, e, xr_filled<N>(0.0f));
  }
};

} // namespace

xr_status xr_take_rows_forward_cuda(const xr_take_rows *a, xr_stream stream) {
  XR_TRY(xr_take_rows_check(a));
  return xr_for_dtype(a->dtype, "take_rows", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const forward_body<T> body = {(T *)a->y, (const T *)a->x, a->index, a->rows, a->width};
    return xr_for_pieces<N>("take_rows", body, a->taken, a->width, a->width % N == 0, stream);
  });
}

xr_status xr_take_rows_backward_cuda(const xr_take_rows *a, xr_stream stream) {
  XR_TRY(xr_take_rows_check(a));
  return xr_for_dtype(a->dtype, "take_rows", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const backward_body<T> body = {(T *)a->dx, (const T *)a->dy, a->index, (uint32_t)a->taken, a->width, a->accumulate_dx};
    return xr_for_pieces<N>("take_rows backward", body, a->rows, a->width, a->width % N == 0, stream);
  });
}
