#include "kernels/elementwise/add_broadcast.h"

#include "kernels/common/scaled_copy.cuh"
#include "kernels/elementwise/row_sum.cuh"

namespace {

template <class T, class V> struct forward_body {
  T *y;
  const T *x;
  const V *v;
  int64_t cols;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_piece_width<T, V>;
    xr_pack<N> sum = xr_piece_load<N>(x + row * cols + at, e);
    const xr_pack<N> added = xr_piece_load<N>(v + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) sum.v[i] += added.v[i];
    xr_piece_store(y + row * cols + at, e, sum);
  }
};

/* Sums of a block of rows into out [row blocks, cols]. Four blocks an SM: for more, bf16 would spill. */
template <class Out, class T>
__global__ void __launch_bounds__(XR_SUM_LANES *XR_SUM_GROUPS, 4)
    sum_kernel(Out *out, bool accumulate, const T *dy, int64_t rows, int64_t each, int64_t cols, bool wide) {
  constexpr int N = xr_piece_width<Out, T>;
  const xr_row_sum_part p = xr_row_sum_part_here<N>(rows, each, cols, wide);
  const xr_pack<N> sum = xr_column_sum<N>(dy + p.first * cols + p.at, cols, p.count, p.e);
  if (threadIdx.y == 0) xr_piece_store(out + p.block * cols + p.at, p.e, sum, accumulate);
}

template <class Out, class T> xr_status sum_rows(const xr_add_broadcast_args *a, Out *out, bool accumulate, xr_stream stream) {
  constexpr int N = xr_piece_width<Out, T>;
  return xr_launch("add_broadcast dv", sum_kernel<Out, T>, xr_row_sum_grid<N>(a->rows, a->cols), xr_row_sum_threads(), 0, stream, out,
                   accumulate, (const T *)a->dy, a->rows, xr_row_sum_each(a->rows, a->cols), a->cols, a->cols % N == 0);
}

template <class Out, class T> xr_status v_gradient(const xr_add_broadcast_args *a, xr_stream stream) {
  const int64_t blocks = xr_row_sum_blocks(a->rows, a->cols);
  if (blocks == 1) return sum_rows<Out, T>(a, (Out *)a->dv, a->accumulate_dv, stream);
  XR_TRY((sum_rows<float, T>(a, a->workspace, false, stream)));
  return xr_row_sum_fold("add_broadcast dv", (Out *)a->dv, a->accumulate_dv, a->workspace, blocks, a->cols, stream);
}

} // namespace

xr_status xr_add_broadcast_forward_cuda(const xr_add_broadcast_args *a, xr_stream stream) {
  XR_TRY(xr_add_broadcast_check(a));
  return xr_for_dtype(a->dtype, "add_broadcast", [&](auto element) {
    return xr_for_dtype(a->v_dtype, "add_broadcast", [&](auto v_element) {
      using T = decltype(element);
      using V = decltype(v_element);
      constexpr int N = xr_piece_width<T, V>;
      const forward_body<T, V> body = {(T *)a->y, (const T *)a->x, (const V *)a->v, a->cols};
      return xr_for_pieces<N>("add_broadcast", body, a->rows, a->cols, a->cols % N == 0, stream);
    });
  });
}

xr_status xr_add_broadcast_backward_cuda(const xr_add_broadcast_args *a, xr_stream stream) {
  XR_TRY(xr_add_broadcast_check_backward(a));
  if (a->dx)
    XR_TRY(xr_scaled_copy_cuda("add_broadcast dx", a->dx, a->dx_dtype, a->accumulate_dx, 1, a->dy, a->dtype, a->rows * a->cols, stream));
  if (!a->dv) return XR_OK;
  return xr_for_dtype(a->dtype, "add_broadcast", [&](auto element) {
    return xr_for_dtype(a->dv_dtype, "add_broadcast",
                        [&](auto out_element) { return v_gradient<decltype(out_element), decltype(element)>(a, stream); });
  });
}
