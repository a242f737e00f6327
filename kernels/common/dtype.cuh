/* Element types in device code: storage is f32 or bf16, arithmetic is f32. */
#pragma once

#include <cuda_bf16.h>

#include "host/base/dtype.h"
#include "host/base/status.h"

static __device__ __forceinline__ float xr_to_float(float x) { return x; }
static __device__ __forceinline__ float xr_to_float(__nv_bfloat16 x) { return __bfloat162float(x); }

/* Rounded to nearest, ties to even. */
template <class T> static __device__ __forceinline__ T xr_from_float(float x);
template <> __device__ __forceinline__ float xr_from_float<float>(float x) { return x; }
template <> __device__ __forceinline__ __nv_bfloat16 xr_from_float<__nv_bfloat16>(float x) { return __float2bfloat16_rn(x); }

/* Calls f(T()) with the element type of `dtype`: a launcher's way from a value to a template argument. */
template <class F> static inline xr_status xr_for_dtype(xr_dtype dtype, const char *name, F &&f) {
  if (dtype == XR_F32) return f(float());
  if (dtype == XR_BF16) return f(__nv_bfloat16());
  return xr_fail(XR_UNSUPPORTED, "%s: dtype %s", name, xr_dtype_name(dtype));
}
