#include "kernels/norm/l2_normalize.h"

#include "kernels/common/pieces.cuh"

namespace {

enum { WARPS = 8 }; /* a warp a row: its second reading comes from the first-level cache */

__device__ int64_t row_of_warp() { return (int64_t)blockIdx.x * WARPS + threadIdx.x / 32; }

/* Sum over the row of l * r, in f64 as on the CPU: the same in all lanes. */
template <int N, class L, class R> __device__ double dot(const L *l, const R *r, int64_t cols, bool wide) {
  double total = 0;
  for (int64_t at = threadIdx.x % 32 * N; at < cols; at += 32 * N) {
    const xr_extent e = xr_extent_at<N>(at, cols, wide);
    const xr_pack<N> p = xr_load<N>(l + at, e), q = xr_load<N>(r + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) total += (double)p.v[i] * (double)q.v[i];
  }
#pragma unroll
  for (int other = 16; other > 0; other /= 2) total += __shfl_xor_sync(0xffffffffu, total, other);
  return total;
}

template <class X, class Y>
__global__ void __launch_bounds__(32 * WARPS) forward_kernel(Y *y, float *inverse_norm, const X *x, int64_t rows, int64_t cols, bool wide) {
  constexpr int N = xr_piece_lanes<X, Y>;
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  x += row * cols;
  const float inverse = (float)(1 / sqrt(dot<N>(x, x, cols, wide) + XR_L2_EPSILON));
  for (int64_t at = threadIdx.x % 32 * N; at < cols; at += 32 * N) {
    const xr_extent e = xr_extent_at<N>(at, cols, wide);
    xr_pack<N> value = xr_load<N>(x + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) value.v[i] *= inverse;
    xr_store(y + row * cols + at, e, value);
  }
  if (threadIdx.x % 32 == 0) inverse_norm[row] = inverse;
}

template <class X, class Y>
__global__ void __launch_bounds__(32 * WARPS)
    backward_kernel(X *dx, bool accumulate, const Y *dy, const X *x, const float *inverse_norm, int64_t rows, int64_t cols, bool wide) {
  constexpr int N = xr_piece_lanes<X, Y>;
  const int64_t row = row_of_warp();
  if (row >= rows) return;
  x += row * cols;
  dy += row * cols;
  const float inverse = inverse_norm[row];
  const float along = (float)(dot<N>(x, dy, cols, wide) * (double)inverse * (double)inverse); /* x * along is u * (u . dy) */
  for (int64_t at = threadIdx.x % 32 * N; at < cols; at += 32 * N) {
    const xr_extent e = xr_extent_at<N>(at, cols, wide);
    const xr_pack<N> value = xr_load<N>(x + at, e);
    xr_pack<N> g = xr_load<N>(dy + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) g.v[i] = inverse * (g.v[i] - value.v[i] * along);
    xr_store(dx + row * cols + at, e, g, accumulate);
  }
}

/* f(0 of x's type, 0 of y's type, blocks, wide) */
template <class F> xr_status with_types(const xr_l2_normalize *a, F f) {
  XR_TRY(xr_l2_normalize_check(a));
  const int64_t blocks = (a->rows + WARPS - 1) / WARPS;
  if (blocks == 0) return XR_OK;
  if (blocks > INT32_MAX) return xr_fail(XR_UNSUPPORTED, "l2_normalize: %lld rows are more than one kernel's", (long long)a->rows);
  return xr_with_type(a->x_dtype, [&](auto x_zero) {
    return xr_with_type(a->y_dtype, [&](auto y_zero) {
      return f(x_zero, y_zero, (unsigned)blocks, a->cols % xr_piece_lanes<decltype(x_zero), decltype(y_zero)> == 0);
    });
  });
}

} // namespace

xr_status xr_l2_normalize_forward_cuda(const xr_l2_normalize *a, xr_stream stream) {
  return with_types(a, [&](auto x_zero, auto y_zero, unsigned blocks, bool wide) {
    using X = decltype(x_zero);
    using Y = decltype(y_zero);
    return xr_launch("l2_normalize", forward_kernel<X, Y>, blocks, 32 * WARPS, 0, stream, (Y *)a->y, a->inverse_norm, (const X *)a->x,
                     a->rows, a->cols, wide);
  });
}

xr_status xr_l2_normalize_backward_cuda(const xr_l2_normalize *a, xr_stream stream) {
  return with_types(a, [&](auto x_zero, auto y_zero, unsigned blocks, bool wide) {
    using X = decltype(x_zero);
    using Y = decltype(y_zero);
    return xr_launch("l2_normalize backward", backward_kernel<X, Y>, blocks, 32 * WARPS, 0, stream, (X *)a->dx, a->accumulate_dx,
                     (const Y *)a->dy, (const X *)a->x, a->inverse_norm, a->rows, a->cols, wide);
  });
}
