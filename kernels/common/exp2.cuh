/* 2^x by the special function unit: one instruction, to 2 units in the last place of f32, subnormal results as 0. */
#pragma once

#include <cuda_runtime.h>

static __device__ __forceinline__ float xr_exp2(float x) {
#ifdef __CUDACC__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}
