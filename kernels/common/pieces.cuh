/* The one loop of the kernels that work element by element: tensors in pieces of a few neighbouring elements.
 *
 * A tensor is `rows` rows of `width` elements (a flat tensor is one row). Each row is cut into pieces of N elements, one thread does
 * one piece after another. N elements fill 16 bytes of the narrowest dtype that the kernel moves, so whole pieces at multiples of 16
 * bytes go as 16-byte accesses; the last piece of a row and rows that start elsewhere go element by element. Everything is f32 in
 * between, as in rows.h. Tensors start at multiples of 16 bytes. */
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "host/base/dtype.h"
#include "kernels/common/launch.h"
#include "kernels/common/math.h"

/* Elements of T in 16 bytes. */
template <class T> constexpr int xr_lanes = (int)(16 / sizeof(T));

/* Elements in a piece of a kernel that moves both types. */
template <class A, class B> constexpr int xr_piece_lanes = xr_lanes<A> > xr_lanes<B> ? xr_lanes<A> : xr_lanes<B>;

template <int N> struct xr_pack {
  float v[N];
};

/* How much of a piece exists, and whether it may be moved 16 bytes at a time (then n = N). */
struct xr_extent {
  int n;
  bool wide;
};

__device__ inline float xr_to_f32(float x) { return x; }
__device__ inline float xr_to_f32(xr_bf16 x) { return xr_float_of_bits((uint32_t)x << 16); }

template <class T> __device__ T xr_from_f32(float x);
template <> __device__ inline float xr_from_f32<float>(float x) { return x; }
template <> __device__ inline xr_bf16 xr_from_f32<xr_bf16>(float x) {
  const __nv_bfloat16 rounded = __float2bfloat16_rn(x);
  xr_bf16 bits;
  memcpy(&bits, &rounded, sizeof bits);
  return bits;
}

/* The piece at p; what lies beyond e.n is 0. */
template <int N, class T> __device__ xr_pack<N> xr_load(const T *p, xr_extent e) {
  xr_pack<N> out;
  if (e.wide) {
#pragma unroll
    for (int i = 0; i < N; i += xr_lanes<T>) {
      const uint4 raw = *reinterpret_cast<const uint4 *>(p + i);
      T lane[xr_lanes<T>];
      memcpy(lane, &raw, sizeof raw);
#pragma unroll
      for (int k = 0; k < xr_lanes<T>; k++) out.v[i + k] = xr_to_f32(lane[k]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) out.v[i] = i < e.n ? xr_to_f32(p[i]) : 0.0f;
  }
  return out;
}

/* The piece at p = values, or += when `accumulate` (the sum is made in f32). */
template <int N, class T> __device__ void xr_store(T *p, xr_extent e, xr_pack<N> values, bool accumulate = false) {
  if (accumulate) {
    const xr_pack<N> old = xr_load<N>(p, e);
#pragma unroll
    for (int i = 0; i < N; i++) values.v[i] += old.v[i];
  }
  if (e.wide) {
#pragma unroll
    for (int i = 0; i < N; i += xr_lanes<T>) {
      T lane[xr_lanes<T>];
#pragma unroll
      for (int k = 0; k < xr_lanes<T>; k++) lane[k] = xr_from_f32<T>(values.v[i + k]);
      uint4 raw;
      memcpy(&raw, lane, sizeof raw);
      *reinterpret_cast<uint4 *>(p + i) = raw;
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; i++)
      if (i < e.n) p[i] = xr_from_f32<T>(values.v[i]);
  }
}

template <int N> __device__ xr_pack<N> xr_filled(float value) {
  xr_pack<N> out;
#pragma unroll
  for (int i = 0; i < N; i++) out.v[i] = value;
  return out;
}

/* The part of a row of `width` elements that a piece at element `at` covers: none (n = 0) beyond the row's end. */
template <int N> __device__ xr_extent xr_extent_at(int64_t at, int64_t width, bool wide) {
  const int64_t left = width - at;
  const int n = left < 0 ? 0 : left < N ? (int)left : N;
  return {n, wide && n == N};
}

template <int N, class Body>
__global__ void __launch_bounds__(256) xr_pieces_kernel(Body body, uint32_t pieces, uint32_t pieces_in_row, int64_t width, bool wide) {
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
  const int64_t in_row = (width + N - 1) / N;
  if (rows <= 0 || width <= 0) return XR_OK;
  if (in_row > INT32_MAX / rows)
    return xr_fail(XR_UNSUPPORTED, "%s: %lld rows of %lld elements are more than one kernel's", name, (long long)rows, (long long)width);
  const int64_t pieces = rows * in_row, blocks = (pieces + 255) / 256;
  enum { MOST_BLOCKS = 1 << 16 }; /* of 256 threads: many times what any GPU holds at once */
  return xr_launch(name, xr_pieces_kernel<N, Body>, (unsigned)(blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS), 256, 0, stream, body,
                   (uint32_t)pieces, (uint32_t)in_row, width, wide);
}

/* The same for `count` elements in no rows: body(0, at, extent). */
template <int N, class Body> static xr_status xr_for_elements(const char *name, const Body &body, int64_t count, xr_stream stream) {
  return xr_for_pieces<N>(name, body, 1, count, true, stream);
}

/* f(0 of the type that stores `dtype`): what a launcher uses to pick its kernel. */
template <class F> static xr_status xr_with_type(xr_dtype dtype, F f) { return dtype == XR_F32 ? f(0.0f) : f((xr_bf16)0); }

/* out (+)= factor * in, elementwise: the whole of many backward passes. `out` may be the memory of `in`. */
template <class Out, class In> struct xr_scaled_copy_body {
  Out *out;
  const In *in;
  float factor;
  bool accumulate;

  __device__ void operator()(int64_t, int64_t at, xr_extent e) const {
    constexpr int N = xr_piece_lanes<Out, In>;
    xr_pack<N> x = xr_load<N>(in + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) x.v[i] *= factor;
    xr_store(out + at, e, x, accumulate);
  }
};

static inline xr_status xr_scaled_copy_cuda(const char *name, void *out, xr_dtype out_dtype, bool accumulate, float factor, const void *in,
                                            xr_dtype in_dtype, int64_t count, xr_stream stream) {
  return xr_with_type(out_dtype, [&](auto out_zero) {
    return xr_with_type(in_dtype, [&](auto in_zero) {
      using Out = decltype(out_zero);
      using In = decltype(in_zero);
      const xr_scaled_copy_body<Out, In> body = {(Out *)out, (const In *)in, factor, accumulate};
      return xr_for_elements<xr_piece_lanes<Out, In>>(name, body, count, stream);
    });
  });
}
