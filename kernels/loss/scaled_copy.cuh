/* The backward pass of losses whose gradient was made in forward: out (+)= factor[0] * in. `out` may be the memory of `in`. */
#pragma once

#include <stdint.h>

#include "kernels/common/launch.h"
#include "kernels/loss/vector.cuh"

enum { XR_SCALED_COPY_THREADS = 256 };

template <class T>
static __global__ void __launch_bounds__(XR_SCALED_COPY_THREADS)
    xr_scaled_copy_kernel(T *out, const T *in, const float *factor, bool accumulate, int64_t count) {
  const float scale = *factor;
  const int64_t first = ((int64_t)blockIdx.x * XR_SCALED_COPY_THREADS + threadIdx.x) * xr_lanes<T>();
  if (first >= count) return;
  float x[xr_lanes<T>()], sum[xr_lanes<T>()];
  if (first + xr_lanes<T>() <= count && ((uintptr_t)out & 15) == 0 && ((uintptr_t)in & 15) == 0) {
    xr_load16(in + first, x);
    if (accumulate) xr_load16(out + first, sum);
#pragma unroll
    for (int k = 0; k < xr_lanes<T>(); k++) x[k] = scale * x[k] + (accumulate ? sum[k] : 0);
    xr_store16(out + first, x);
    return;
  }
  for (int64_t i = first; i < count && i < first + xr_lanes<T>(); i++)
    out[i] = (T)(scale * (float)in[i] + (accumulate ? (float)out[i] : 0));
}

template <class T>
static xr_status xr_scaled_copy_launch(void *out, const void *in, const float *factor, bool accumulate, int64_t count, xr_stream stream) {
  if (count == 0) return XR_OK;
  const int64_t block = XR_SCALED_COPY_THREADS * xr_lanes<T>();
  return xr_launch(xr_scaled_copy_kernel<T>, dim3((unsigned)((count + block - 1) / block)), dim3(XR_SCALED_COPY_THREADS), 0, stream,
                   (T *)out, (const T *)in, factor, accumulate, count);
}
