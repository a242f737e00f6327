/* The largest of a warp's numbers and where it is; the lowest place among equals. */
#pragma once

#include <cuda_runtime.h>

struct xr_first_largest {
  float key = 0;
  int at = -1; /* nowhere yet */

  __device__ __forceinline__ void offer(float other_key, int other_at) {
    if (other_at < 0) return;
    if (at < 0 || other_key > key || (other_key == key && other_at < at)) {
      key = other_key;
      at = other_at;
    }
  }

  /* Every lane's together, in all of them. */
  __device__ __forceinline__ void share() {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
      const float other_key = __shfl_xor_sync(0xffffffffu, key, distance);
      offer(other_key, __shfl_xor_sync(0xffffffffu, at, distance));
    }
  }
};
