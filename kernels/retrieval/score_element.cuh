/* Rows stored as f32, bf16 or f16, read as f32 in device code. Every widening is exact. */
#pragma once

#include <cuda_fp16.h>

#include "kernels/common/dtype.cuh"
#include "kernels/common/launch.h"

static __device__ __forceinline__ float xr_to_float(__half x) { return __half2float(x); }

/* Calls f(T()) with the element type of `dtype`, which the contract's check has let pass. */
template <class F> static inline xr_status xr_for_score_dtype(xr_dtype dtype, F &&f) {
  return dtype == XR_F32 ? f(float()) : dtype == XR_BF16 ? f(__nv_bfloat16()) : f(__half());
}

/* Whether rows of T can be read four elements at a time. */
template <class T> static inline bool xr_fours(const void *rows, int64_t stride, int64_t width) {
  return stride % 4 == 0 && width % 4 == 0 && reinterpret_cast<uintptr_t>(rows) % (4 * sizeof(T)) == 0;
}

/* v = p[0 .. 3], of which the first n exist; the others become 0. */
template <class T> static __device__ __forceinline__ void xr_load_four(float (&v)[4], const T *p, int64_t n, bool fours) {
  if (fours && n >= 4) {
    struct alignas(4 * sizeof(T)) four {
      T e[4];
    };
    const four raw = *reinterpret_cast<const four *>(p);
#pragma unroll
    for (int i = 0; i < 4; i++) v[i] = xr_to_float(raw.e[i]);
  } else {
#pragma unroll
    for (int i = 0; i < 4; i++) v[i] = i < n ? xr_to_float(p[i]) : 0.0f;
  }
}
