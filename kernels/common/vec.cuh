/* 16-byte accesses: 4 f32 or 8 bf16 at once, as f32 in registers. */
#pragma once

#include <string.h>

#include "kernels/common/dtype.cuh"

/* Elements of T in 16 bytes. */
template <class T> constexpr int xr_vec_width = 16 / (int)sizeof(T);

/* Whether rows of `cols` elements of T that start at these addresses can be read 16 bytes at a time. NULL counts as aligned. */
template <class T, class... P> static inline bool xr_vec_fits(int64_t cols, const P *...pointers) {
  const uintptr_t bits = (uintptr_t(0) | ... | reinterpret_cast<uintptr_t>(pointers));
  return cols % xr_vec_width<T> == 0 && bits % 16 == 0;
}

/* v[0 .. W-1] = p[0 .. W-1]: one access when W is xr_vec_width<T> (p 16-byte aligned), or one for each element when W is 1. For
 * arrays of f32 parameters beside bf16 rows, W may be 8 with T = float: two accesses. */
template <int W, class T> static __device__ __forceinline__ void xr_load(float (&v)[W], const T *p) {
  if constexpr (W == 1) {
    v[0] = xr_to_float(p[0]);
  } else {
    constexpr int width = xr_vec_width<T>;
    static_assert(W % width == 0, "whole 16-byte pieces");
#pragma unroll
    for (int i = 0; i < W; i += width) {
      const uint4 raw = *reinterpret_cast<const uint4 *>(p + i);
      T piece[width];
      memcpy(piece, &raw, 16);
#pragma unroll
      for (int j = 0; j < width; j++) v[i + j] = xr_to_float(piece[j]);
    }
  }
}

/* p[0 .. W-1] = v[0 .. W-1], rounded to T. */
template <int W, class T> static __device__ __forceinline__ void xr_store(T *p, const float (&v)[W]) {
  if constexpr (W == 1) {
    p[0] = xr_from_float<T>(v[0]);
  } else {
    constexpr int width = xr_vec_width<T>;
    static_assert(W % width == 0, "whole 16-byte pieces");
#pragma unroll
    for (int i = 0; i < W; i += width) {
      T piece[width];
#pragma unroll
      for (int j = 0; j < width; j++) piece[j] = xr_from_float<T>(v[i + j]);
      uint4 raw;
      memcpy(&raw, piece, 16);
      *reinterpret_cast<uint4 *>(p + i) = raw;
    }
  }
}
