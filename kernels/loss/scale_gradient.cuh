/* The backward pass of losses whose gradient was made in forward: out (+)= factor[0] * in. `out` may be the memory of `in`.
 * Both start at multiples of 16 bytes. */
#pragma once

#include "kernels/common/launch.h"
#include "kernels/common/vec.cuh"

enum { XR_SCALE_GRADIENT_THREADS = 256 };

template <int W, class T>
static __device__ __forceinline__ void xr_scale_gradient_piece(T *out, const T *in, float factor, bool accumulate) {
  float x[W], sum[W];
  xr_load(x, in);
  if (accumulate) xr_load(sum, out);
#pragma unroll
  for (int k = 0; k < W; k++) x[k] = factor * x[k] + (accumulate ? sum[k] : 0);
  xr_store(out, x);
}

template <class T>
static __global__ void __launch_bounds__(XR_SCALE_GRADIENT_THREADS)
    xr_scale_gradient_kernel(T *out, const T *in, const float *factor, bool accumulate, int64_t count) {
  constexpr int width = xr_vec_width<T>;
  const int64_t first = ((int64_t)blockIdx.x * XR_SCALE_GRADIENT_THREADS + threadIdx.x) * width;
  if (first + width <= count) {
    xr_scale_gradient_piece<width>(out + first, in + first, *factor, accumulate);
  } else {
    for (int64_t i = first; i < count && i < first + width; i++) xr_scale_gradient_piece<1>(out + i, in + i, *factor, accumulate);
  }
}

template <class T>
static xr_status xr_scale_gradient(const char *name, void *out, const void *in, const float *factor, bool accumulate, int64_t count,
                                   xr_stream stream) {
  return xr_launch(name, xr_scale_gradient_kernel<T>, xr_blocks(count, XR_SCALE_GRADIENT_THREADS * xr_vec_width<T>),
                   XR_SCALE_GRADIENT_THREADS, 0, stream, static_cast<T *>(out), static_cast<const T *>(in), factor, accumulate, count);
}
