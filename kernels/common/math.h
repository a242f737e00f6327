/* Elementary functions that vectorise inside `omp simd` loops, where the C library's do not; device code may call them, too. */
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define XR_MATH_INLINE __host__ __device__ static inline
#else
#define XR_MATH_INLINE static inline
#endif

XR_MATH_INLINE float xr_float_of_bits(uint32_t bits) {
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

/* e^x to 2 units in the last place for every float: subnormal results included, 0 below, infinity above, a NaN stays a NaN.
 *
 *   x = k ln 2 + r, |r| <= ln 2 / 2:   e^x = 2^k e^r
 *
 * e^r = 1 + r + r^2 q(r) with q of degree 4, fitted to the least relative error of e^r (below 2^-27). ln 2 is split in two so that
 * k times its upper part is exact. 2^k goes in as two factors, because k reaches -150 and 128.
 * A GPU has an instruction for 2^x: there CUDA's expf is as good and shorter. */
XR_MATH_INLINE float xr_exp(float x) {
#ifdef __CUDA_ARCH__
  return expf(x);
#else
  const float shift = 0x1.8p23f; /* adding it rounds to an integer, which is then in the low bits */
  x = x < -105.0f ? -105.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float shifted = x * 0x1.715476p+0f + shift;
  const float k = shifted - shift;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  const uint32_t integer = bits - 0x4b400000u; /* k as two's complement */
  const float r = (x - k * 0x1.62e4p-1f) - k * 0x1.7f7d1cp-20f;
  const float q = 0x1.fffffcp-2f + r * (0x1.555492p-3f + r * (0x1.5558f2p-5f + r * (0x1.1239ep-7f + r * 0x1.6a243ap-10f)));
  const float e = 1.0f + (r + r * r * q);
  const uint32_t half = (uint32_t)((int32_t)integer >> 1);
  return e * xr_float_of_bits((half + 127u) << 23) * xr_float_of_bits((integer - half + 127u) << 23);
#endif
}
