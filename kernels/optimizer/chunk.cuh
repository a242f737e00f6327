/* What the optimisers' kernels share: one block of threads walks one chunk, four elements at a time where memory allows it. */
#pragma once

#include <cuda_bf16.h>
#include <stdint.h>

#include "kernels/optimizer/segments.h"

enum { XR_CHUNK_THREADS = 256 };

static __device__ __forceinline__ bool xr_is_aligned(const void *pointer, unsigned bytes) {
  return ((uintptr_t)pointer & (bytes - 1)) == 0;
}

/* Where the bf16 copy of a chunk goes; NULL: nowhere. */
static __device__ __forceinline__ __nv_bfloat16 *xr_chunk_compute(xr_bf16 *compute, const xr_segment &segment, const xr_chunk &chunk) {
  if (segment.compute_offset < 0) return nullptr;
  return reinterpret_cast<__nv_bfloat16 *>(compute + segment.compute_offset + (chunk.offset - segment.offset));
}

static __device__ __forceinline__ void xr_store_bf16x4(__nv_bfloat16 *out, float4 v) {
  const __nv_bfloat162 low = __floats2bfloat162_rn(v.x, v.y), high = __floats2bfloat162_rn(v.z, v.w);
  uint2 packed;
  memcpy(&packed.x, &low, sizeof low);
  memcpy(&packed.y, &high, sizeof high);
  *reinterpret_cast<uint2 *>(out) = packed;
}
