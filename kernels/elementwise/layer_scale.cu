#include "kernels/elementwise/layer_scale.h"

#include "kernels/common/scaled_copy.cuh"
#include "kernels/elementwise/row_sum.cuh"

namespace {

template <class T> struct forward_body {
  T *out;
  const T *x, *y;
  const float *gamma;
  int64_t cols;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    xr_pack<N> sum = xr_piece_load<N>(x + row * cols + at, e);
    const xr_pack<N> branch = xr_piece_load<N>(y + row * cols + at, e), factor = xr_piece_load<N>(gamma + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) sum.v[i] += factor.v[i] * branch.v[i];
    xr_piece_store(out + row * cols + at, e, sum);
  }
};

/* Without dgamma. */
template <class T> struct branch_body {
  T *dy;
  const T *dout;
  const float *gamma;
  int64_t cols;
  bool accumulate;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    xr_pack<N> g = xr_piece_load<N>(dout + row * cols + at, e);
    const xr_pack<N> factor = xr_piece_load<N>(gamma + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) g.v[i] *= factor.v[i];
    xr_piece_store(dy + row * cols + at, e, g, accumulate);
  }
};

/* dy, when wanted, and the sums of dout y of a block of rows into sums [row blocks, cols], from one reading of dout. */
template <class T>
__global__ void __launch_bounds__(XR_SUM_LANES *XR_SUM_GROUPS)
    backward_kernel(float *sums, bool accumulate, T *dy, bool accumulate_dy, const T *dout, const T *y, const float *gamma, int64_t rows,
                    int64_t each, int64_t cols, bool wide) {
  constexpr int N = xr_vec_width<T>;
  const xr_row_sum_part p = xr_row_sum_part_here<N>(rows, each, cols, wide);
  const int64_t first = p.first * cols + p.at;
  const xr_pack<N> factor = dy ? xr_piece_load<N>(gamma + p.at, p.e) : xr_filled<N>(0.0f);
  const xr_pack<N> sum = xr_column_sum_of<N>(p.count, [=](int64_t k) {
    const xr_pack<N> g = xr_piece_load<N>(dout + first + k * cols, p.e), branch = xr_piece_load<N>(y + first + k * cols, p.e);
    xr_pack<N> scaled, product;
#pragma unroll
    for (int i = 0; i < N; i++) {
      scaled.v[i] = factor.v[i] * g.v[i];
      product.v[i] = g.v[i] * branch.v[i];
    }
    if (dy) xr_piece_store(dy + first + k * cols, p.e, scaled, accumulate_dy);
    return product;
  });
  if (threadIdx.y == 0) xr_piece_store(sums + p.block * cols + p.at, p.e, sum, accumulate);
}

template <class T> xr_status backward(const xr_layer_scale_args *a, xr_stream stream) {
  constexpr int N = xr_vec_width<T>;
  const bool wide = a->cols % N == 0;
  if (!a->dgamma) {
    const branch_body<T> body = {(T *)a->dy, (const T *)a->dout, a->gamma, a->cols, a->accumulate_dy};
    return a->dy ? xr_for_pieces<N>("layer_scale backward", body, a->rows, a->cols, wide, stream) : XR_OK;
  }
  const int64_t blocks = xr_row_sum_blocks(a->rows, a->cols);
  float *sums = blocks == 1 ? a->dgamma : a->workspace;
  XR_TRY(xr_launch("layer_scale backward", backward_kernel<T>, xr_row_sum_grid<N>(a->rows, a->cols), xr_row_sum_threads(), 0, stream, sums,
                   blocks == 1 && a->accumulate_dgamma, (T *)a->dy, a->accumulate_dy, (const T *)a->dout, (const T *)a->y, a->gamma,
                   a->rows, xr_row_sum_each(a->rows, a->cols), a->cols, wide));
  if (blocks == 1) return XR_OK;
  return xr_row_sum_fold("layer_scale dgamma", a->dgamma, a->accumulate_dgamma, sums, blocks, a->cols, stream);
}

} // namespace

xr_status xr_layer_scale_forward_cuda(const xr_layer_scale_args *a, xr_stream stream) {
  XR_TRY(xr_layer_scale_check(a));
  return xr_for_dtype(a->dtype, "layer_scale", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const forward_body<T> body = {(T *)a->out, (const T *)a->x, (const T *)a->y, a->gamma, a->cols};
    return xr_for_pieces<N>("layer_scale", body, a->rows, a->cols, a->cols % N == 0, stream);
  });
}

xr_status xr_layer_scale_backward_cuda(const xr_layer_scale_args *a, xr_stream stream) {
  XR_TRY(xr_layer_scale_check(a));
  if (a->dx)
    XR_TRY(xr_scaled_copy_cuda("layer_scale dx", a->dx, a->dtype, a->accumulate_dx, 1, a->dout, a->dtype, a->rows * a->cols, stream));
  return xr_for_dtype(a->dtype, "layer_scale", [&](auto element) { return backward<decltype(element)>(a, stream); });
}
