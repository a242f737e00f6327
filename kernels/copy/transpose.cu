#include "kernels/copy/transpose.h"

#include "kernels/common/pieces.cuh"

namespace {

/* The innermost axis stays innermost: whole rows go elsewhere. */
template <class T> struct rows_body {
  T *out;
  const T *in;
  xr_transpose_walk w;
  bool accumulate;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    const uint32_t dim1 = (uint32_t)w.dim[1], dim2 = (uint32_t)w.dim[2], r = (uint32_t)row, r2 = r / dim2, r1 = r2 / dim1;
    const int64_t from = r1 * w.stride[0] + (r2 - r1 * dim1) * w.stride[1] + (r - r2 * dim2) * w.stride[2];
    xr_piece_store(out + row * w.dim[3] + at, e, xr_piece_load<xr_vec_width<T>>(in + from + at, e), accumulate);
  }
};

/* The innermost axes differ: squares of (out's innermost axis) x (in's innermost axis) through shared memory, so that both sides are
 * read and written along their rows. */
enum { TILE = 32, TILE_ROWS = 8 };

struct tiles {
  int64_t across, along; /* lengths of out's and of in's innermost axis */
  int64_t in_across, out_along;
  int64_t dim[2], in_stride[2], out_stride[2]; /* the two axes that are left */
  uint32_t tiles_across, tiles_along, dim1;
};

template <class T> __global__ void __launch_bounds__(TILE *TILE_ROWS) transpose_tile_kernel(T *out, const T *in, tiles t, bool accumulate) {
  __shared__ T tile[TILE][TILE + 4 / sizeof(T)];
  const uint32_t rest = blockIdx.x / t.tiles_across, square = rest / t.tiles_along, i0 = square / t.dim1, i1 = square - i0 * t.dim1;
  const int64_t across = (int64_t)(blockIdx.x - rest * t.tiles_across) * TILE, along = (int64_t)(rest - square * t.tiles_along) * TILE;
  in += i0 * t.in_stride[0] + i1 * t.in_stride[1];
  out += i0 * t.out_stride[0] + i1 * t.out_stride[1];
  for (int k = threadIdx.y; k < TILE; k += TILE_ROWS) {
    const int64_t x = across + k, y = along + threadIdx.x;
    if (x < t.across && y < t.along) tile[k][threadIdx.x] = in[x * t.in_across + y];
  }
  __syncthreads();
  for (int k = threadIdx.y; k < TILE; k += TILE_ROWS) {
    const int64_t x = across + threadIdx.x, y = along + k;
    if (x >= t.across || y >= t.along) continue;
    T *to = out + y * t.out_along + x;
    const T value = tile[threadIdx.x][k];
    *to = accumulate ? xr_from_float<T>(xr_to_float(*to) + xr_to_float(value)) : value;
  }
}

tiles tiles_of(const xr_transpose_walk *w) {
  tiles t = {};
  int64_t out_stride = 1, k_left = 0;
  t.across = w->dim[XR_MAX_TRANSPOSE - 1];
  t.in_across = w->stride[XR_MAX_TRANSPOSE - 1];
  for (int k = XR_MAX_TRANSPOSE - 1; k >= 0; k--) {
    if (k == w->fast) {
      t.along = w->dim[k];
      t.out_along = out_stride;
    } else if (k != XR_MAX_TRANSPOSE - 1) {
      t.dim[k_left] = w->dim[k];
      t.in_stride[k_left] = w->stride[k];
      t.out_stride[k_left++] = out_stride;
    }
    out_stride *= w->dim[k];
  }
  t.tiles_across = (uint32_t)xr_blocks(t.across, TILE);
  t.tiles_along = (uint32_t)xr_blocks(t.along, TILE);
  t.dim1 = (uint32_t)t.dim[1];
  return t;
}

xr_status gather(void *out, bool accumulate, const void *in, xr_dtype dtype, const xr_transpose_walk *w, xr_stream stream) {
  const int64_t rows = w->dim[0] * w->dim[1] * w->dim[2], width = w->dim[3];
  if (rows * width == 0) return XR_OK;
  return xr_for_dtype(dtype, "transpose", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    if (w->fast == XR_MAX_TRANSPOSE - 1) {
      const rows_body<T> body = {(T *)out, (const T *)in, *w, accumulate};
      return xr_for_pieces<N>("transpose", body, rows, width, width % N == 0, stream); /* then every stride is, too */
    }
    const tiles t = tiles_of(w);
    const int64_t blocks = (int64_t)t.tiles_across * t.tiles_along * t.dim[0] * t.dim[1];
    return xr_launch("transpose", transpose_tile_kernel<T>, blocks, dim3(TILE, TILE_ROWS), 0, stream, (T *)out, (const T *)in, t,
                     accumulate);
  });
}

} // namespace

xr_status xr_transpose_forward_cuda(const xr_transpose *a, xr_stream stream) {
  xr_transpose_walk w;
  XR_TRY(xr_transpose_forward_walk(a, &w));
  return gather(a->y, false, a->x, a->dtype, &w, stream);
}

xr_status xr_transpose_backward_cuda(const xr_transpose *a, xr_stream stream) {
  xr_transpose_walk w;
  XR_TRY(xr_transpose_backward_walk(a, &w));
  return gather(a->dx, a->accumulate_dx, a->dy, a->dtype, &w, stream);
}
