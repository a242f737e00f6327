/* Dynamic shared memory: one array of one name and type for all kernels, sized by xr_launch(). */
#pragma once

#include <cuda_runtime.h>

extern __shared__ float4 smem[]; /* 16-byte aligned */

/* The bytes from `offset` on as T; `offset` is a multiple of T's alignment. */
template <class T> static __device__ __forceinline__ T *xr_shared(size_t offset = 0) {
  return reinterpret_cast<T *>(reinterpret_cast<char *>(smem) + offset);
}
