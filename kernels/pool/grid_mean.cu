#include "kernels/pool/grid_mean.h"

#include "kernels/common/pieces.cuh"

namespace {

/* The grid as 32-bit numbers: a kernel's rows are below 2^31. */
struct grid {
  uint32_t first, width, columns, factor, tokens, cells; /* width in tokens, columns in cells; tokens and cells of a sample */
};

grid grid_of(const xr_grid_mean *a) {
  const int64_t tokens = a->first + a->grid_height * a->grid_width;
  return {(uint32_t)a->first,  (uint32_t)a->grid_width, (uint32_t)(a->grid_width / a->factor),
          (uint32_t)a->factor, (uint32_t)tokens,        (uint32_t)xr_grid_mean_cells(a)};
}

template <class T> struct forward_body {
  T *y;
  const T *x;
  grid g;
  int64_t width;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t b = (uint32_t)row / g.cells, cell = (uint32_t)row - b * g.cells;
    const uint32_t corner = g.first + (cell / g.columns * g.width + cell % g.columns) * g.factor;
    const T *from = x + ((int64_t)b * g.tokens + corner) * width + at;
    xr_pack<N> mean = xr_filled<N>(0.0f);
    for (uint32_t i = 0; i < g.factor; i++) {
#pragma unroll 4
      for (uint32_t j = 0; j < g.factor; j++) {
        const xr_pack<N> piece = xr_piece_load<N>(from + (int64_t)(i * g.width + j) * width, e);
#pragma unroll
        for (int k = 0; k < N; k++) mean.v[k] += piece.v[k];
      }
    }
    const float count = (float)g.factor * (float)g.factor;
#pragma unroll
    for (int k = 0; k < N; k++) mean.v[k] /= count;
    xr_piece_store(y + row * width + at, e, mean);
  }
};

template <class T> struct backward_body {
  T *dx;
  const T *dy;
  grid g;
  int64_t width;
  bool accumulate;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t b = (uint32_t)row / g.tokens, t = (uint32_t)row - b * g.tokens;
    T *to = dx + row * width + at;
    if (t < g.first) {
      if (!accumulate) xr_piece_store(to, e, xr_filled<N>(0.0f));
      return;
    }
    const uint32_t place = t - g.first, cell = place / g.width / g.factor * g.columns + place % g.width / g.factor;
    xr_pack<N> gradient = xr_piece_load<N>(dy + ((int64_t)b * g.cells + cell) * width + at, e);
    const float count = (float)g.factor * (float)g.factor;
#pragma unroll
    for (int k = 0; k < N; k++) gradient.v[k] /= count;
    xr_piece_store(to, e, gradient, accumulate);
  }
};

} // namespace

xr_status xr_grid_mean_forward_cuda(const xr_grid_mean *a, xr_stream stream) {
  XR_TRY(xr_grid_mean_check(a));
  return xr_for_dtype(a->dtype, "grid_mean", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const forward_body<T> body = {(T *)a->y, (const T *)a->x, grid_of(a), a->width};
    return xr_for_pieces<N>("grid_mean", body, a->batch * xr_grid_mean_cells(a), a->width, a->width % N == 0, stream);
  });
}

xr_status xr_grid_mean_backward_cuda(const xr_grid_mean *a, xr_stream stream) {
  XR_TRY(xr_grid_mean_check(a));
  return xr_for_dtype(a->dtype, "grid_mean", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const grid g = grid_of(a);
    const backward_body<T> body = {(T *)a->dx, (const T *)a->dy, g, a->width, a->accumulate_dx};
    return xr_for_pieces<N>("grid_mean backward", body, a->batch * (int64_t)g.tokens, a->width, a->width % N == 0, stream);
  });
}
