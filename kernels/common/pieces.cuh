/* The one loop of the kernels that work element by element: tensors in pieces of a few neighbouring elements.
 *
 * A tensor is `rows` rows of `width` elements (a flat tensor is one row). Each row is cut into pieces of N elements, one thread does
 * one piece after another. N elements fill 16 bytes of the narrowest dtype that the kernel moves, so whole pieces at multiples of 16
 * bytes go as 16-byte accesses; the last piece of a row and rows that start elsewhere go element by element. Everything is f32 in
 * between, as in rows.h. Tensors start at multiples of 16 bytes. */
#pragma once

#include "kernels/common/launch.h"
#include "kernels/common/vec.cuh"

/* Elements in a piece of a kernel that moves both types. */
template <class A, class B> constexpr int xr_piece_width = xr_vec_width<A> > xr_vec_width<B> ? xr_vec_width<A> : xr_vec_width<B>;

template <int N> struct xr_pack { float v[N]; };

/* How much of a piece exists, and whether it may be moved 16 bytes at a time (then n = N). */
struct xr_extent {
  int n;
  bool wide;
};

/* The piece at p; what lies beyond e.n is 0. */
template <int N, class T> static __device__ __forceinline__ xr_pack<N> xr_piece_load(const T *p, xr_extent e) {
  xr_pack<N> out;
  if (e.wide) {
    xr_load(out.v, p);
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) out.v[i] = i < e.n ? xr_to_float(p[i]) : 0.0f;
  }
  return out;
}

/* The piece at p = values, or += when `accumulate` (the sum is made in f32). */
template <int N, class T>
static __device__ __forceinline__ void xr_piece_store(T *p, xr_extent e, xr_pack<N> values, bool accumulate = false) {
  if (accumulate) {
    const xr_pack<N> old = xr_piece_load<N>(p, e);
#pragma unroll
    for (int i = 0; i < N; i++) values.v[i] += old.v[i];
  }
  if (e.wide) {
    xr_store(p, values.v);
  } else {
#pragma unroll
    for (int i = 0; i < N; i++)
      if (i < e.n) p[i] = xr_from_float<T>(values.v[i]);
  }
}

/* A piece that is `value` everywhere. */
template <int N> static __device__ __forceinline__ xr_pack<N> xr_filled(float value) {
  xr_pack<N> out;
#pragma unroll
  for (int i = 0; i < N; i++) out.v[i] = value;
  return out;
}

/* The part of a row of `width` elements that a piece at element `at` covers: none (n = 0) beyond the row's end. */
template <int N> static __device__ __forceinline__ xr_extent xr_extent_at(int64_t at, int64_t width, bool wide) {
  const int64_t left = width - at;
  const int n = left < 0 ? 0 : left < N ? (int)left : N;
  return {n, wide && n == N};
}

enum { XR_PIECE_THREADS = 256 };

template <int N, class Body>
__global__ void __launch_bounds__(XR_PIECE_THREADS)
    xr_pieces_kernel(Body body, uint32_t pieces, uint32_t pieces_in_row, int64_t width, bool wide) {
  for (uint32_t piece = blockIdx.x * blockDim.x + threadIdx.x; piece < pieces; piece += gridDim.x * blockDim.x) {
    const uint32_t row = piece / pieces_in_row;
    const int64_t at = (int64_t)(piece - row * pieces_in_row) * N;
    body(row, at, xr_extent_at<N>(at, width, wide));
  }
}

/* Runs body(row, at, extent) for the piece at element `at` of `row`, for all pieces of all rows. `wide` says that every tensor's rows
 * start at multiples of 16 bytes. The number of pieces is below 2^31. */
template <int N, class Body>
static xr_status xr_for_pieces(const char *name, const Body &body, int64_t rows, int64_t width, bool wide, xr_stream stream) {
  const int64_t in_row = xr_blocks(width, N);
  if (rows <= 0 || width <= 0) return XR_OK;
  if (in_row > INT32_MAX / rows)
    return xr_fail(XR_UNSUPPORTED, "%s: %lld rows of %lld elements are more than one kernel's", name, (long long)rows, (long long)width);
  constexpr int64_t most_blocks = 1 << 11; /* more than any GPU holds at once */
  const int64_t pieces = rows * in_row, blocks = xr_blocks(pieces, XR_PIECE_THREADS);
  return xr_launch(name, xr_pieces_kernel<N, Body>, blocks < most_blocks ? blocks : most_blocks, XR_PIECE_THREADS, 0, stream, body, pieces,
                   in_row, width, wide);
}

/* The same for `count` elements in no rows: body(0, at, extent). */
template <int N, class Body> static xr_status xr_for_elements(const char *name, const Body &body, int64_t count, xr_stream stream) {
  return xr_for_pieces<N>(name, body, 1, count, true, stream);
}
