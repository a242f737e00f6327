/* What the optimisers' kernels share: one block of threads walks one chunk, four elements at a time where memory allows it. */
#pragma once

#include <stdint.h>

#include "kernels/common/vec.cuh"
#include "kernels/optimizer/segments.h"

enum { XR_CHUNK_THREADS = 256 };

/* Where the bf16 copy of a chunk goes; NULL: nowhere. */
static __device__ __forceinline__ __nv_bfloat16 *xr_chunk_compute(xr_bf16 *compute, const xr_segment &segment, const xr_chunk &chunk) {
  if (segment.compute_offset < 0) return nullptr;
  return reinterpret_cast<__nv_bfloat16 *>(compute + segment.compute_offset + (chunk.offset - segment.offset));
}

/* Whether four elements at once are aligned in all of these f32 arrays and in a bf16 copy. NULL counts as aligned. */
template <class... P> static __device__ __forceinline__ bool xr_chunk_aligned(const __nv_bfloat16 *compute, const P *...arrays) {
  const uintptr_t bits = (uintptr_t(0) | ... | reinterpret_cast<uintptr_t>(arrays));
  return bits % 16 == 0 && reinterpret_cast<uintptr_t>(compute) % 8 == 0;
}

static __device__ __forceinline__ void xr_store_compute(__nv_bfloat16 *out, const float (&v)[4]) {
  const __nv_bfloat162 pairs[2] = {__floats2bfloat162_rn(v[0], v[1]), __floats2bfloat162_rn(v[2], v[3])};
  uint2 raw;
  memcpy(&raw, pairs, sizeof raw);
  *reinterpret_cast<uint2 *>(out) = raw;
}
