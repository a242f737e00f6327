#include "kernels/norm/l2_normalize.h"

#include "kernels/common/pieces.cuh"
#include "kernels/common/reduce.cuh"

namespace {

enum { WARPS = 8 }; /* a warp a row: its second reading comes from the first-level cache */

__device__ int64_t row_of_warp() { return (int64_t)blockIdx.x * WARPS + threadIdx.x / 32; }

/* Sum over the row of l * r, in f64 as on the CPU: the same in all lanes. */
template <int N, class L, class R> __device__ double dot(const L *l, const R *r, int64_t cols, bool wide) {
  double total = 0;
  for (int64_t at = threadIdx.x % 32 * N; at < cols; at += 32 * N) {
    const xr_extent e = xr_extent_at<N>(at, cols, wide);
    const xr_pack<N> p = xr_piece_load<N>(l + at, e), q = xr_piece_load<N>(r + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) total += (double)p.v[i] * (double)q.v[i];
  }
  return xr_warp_sum(total);
}

template <class X, class Y>
__global__ void __launch_bounds__(32 * WARPS) forward_kernel(Y *y, float *inverse_norm, const X *x, int64_t rows, int64_t cols, bool wide) {
  constexpr int N = xr_piece_width<X, Y>;
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  x += row * cols;
  const float inverse = (float)(1 / sqrt(dot<N>(x, x, cols, wide) + XR_L2_EPSILON));
  for (int64_t at = threadIdx.x % 32 * N; at < cols; at += 32 * N) {
    const xr_extent e = xr_extent_at<N>(at, cols, wide);
    xr_pack<N> value = xr_piece_load<N>(x + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) value.v[i] *= inverse;
    xr_piece_store(y + row * cols + at, e, value);
  }
  if (threadIdx.x % 32 == 0) inverse_norm[row] = inverse;
}

template <class X, class Y>
__global__ void __launch_bounds__(32 * WARPS)
    backward_kernel(X *dx, bool accumulate, const Y *dy, const X *x, const float *inverse_norm, int64_t rows, int64_t cols, bool wide) {
  constexpr int N = xr_piece_width<X, Y>;
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  x += row * cols;
  dy += row * cols;
  const float inverse = inverse_norm[row];
  const float along = (float)(dot<N>(x, dy, cols, wide) * (double)inverse * (double)inverse); /* x * along is u * (u . dy) */
  for (int64_t at = threadIdx.x % 32 * N; at < cols; at += 32 * N) {
    const xr_extent e = xr_extent_at<N>(at, cols, wide);
    const xr_pack<N> value = xr_piece_load<N>(x + at, e);
    xr_pack<N> g = xr_piece_load<N>(dy + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) g.v[i] = inverse * (g.v[i] - value.v[i] * along);
    xr_piece_store(dx + row * cols + at, e, g, accumulate);
  }
}

/* f(an element of x, one of y, blocks, wide) */
template <class F> xr_status with_types(const xr_l2_normalize *a, F f) {
  XR_TRY(xr_l2_normalize_check(a));
  return xr_for_dtype(a->x_dtype, "l2_normalize", [&](auto x_element) {
    return xr_for_dtype(a->y_dtype, "l2_normalize", [&](auto y_element) {
      return f(x_element, y_element, xr_blocks(a->rows, WARPS), a->cols % xr_piece_width<decltype(x_element), decltype(y_element)> == 0);
    });
  });
}

} // namespace

xr_status xr_l2_normalize_forward_cuda(const xr_l2_normalize *a, xr_stream stream) {
  return with_types(a, [&](auto x_element, auto y_element, int64_t blocks, bool wide) {
    using X = decltype(x_element);
    using Y = decltype(y_element);
    return xr_launch("l2_normalize", forward_kernel<X, Y>, blocks, 32 * WARPS, 0, stream, (Y *)a->y, a->inverse_norm, (const X *)a->x,
                     a->rows, a->cols, wide);
  });
}

xr_status xr_l2_normalize_backward_cuda(const xr_l2_normalize *a, xr_stream stream) {
  return with_types(a, [&](auto x_element, auto y_element, int64_t blocks, bool wide) {
    using X = decltype(x_element);
    using Y = decltype(y_element);
    return xr_launch("l2_normalize backward", backward_kernel<X, Y>, blocks, 32 * WARPS, 0, stream, (X *)a->dx, a->accumulate_dx,
                     (const Y *)a->dy, (const X *)a->x, a->inverse_norm, a->rows, a->cols, wide);
  });
}
