/* e^x and ln x that are the same bits in C and in CUDA: made of fmaf and of single operations whose results no compiler may fuse with
 * another, since every product that meets an addition does so inside an fmaf. They vectorise inside `omp simd` loops. */
#pragma once

#include <stdbool.h>

#include "kernels/common/math.h"

/* e^x to 1 unit in the last place for every float: subnormal results included, 0 below, infinity above, a NaN stays a NaN.
 *
 *   x = k ln 2 + r, |r| <= ln 2 / 2:   e^x = 2^k (1 + r + r^2 q(r)),  q of degree 4 as in math.h */
XR_MATH_INLINE float xr_exact_exp(float x) {
  const float shift = 0x1.8p23f; /* adding it rounds to an integer, which is then in the low bits */
  x = x < -105.0f ? -105.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float shifted = fmaf(x, 0x1.715476p+0f, shift);
  const float k = shifted - shift;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  const uint32_t integer = bits - 0x4b400000u; /* k as two's complement */
  const float r = fmaf(-k, -0x1.05c61p-29f, fmaf(-k, 0x1.62e43p-1f, x));
  float q = fmaf(r, 0x1.6a243ap-10f, 0x1.1239ep-7f);
  q = fmaf(r, q, 0x1.5558f2p-5f);
  q = fmaf(r, q, 0x1.555492p-3f);
  q = fmaf(r, q, 0x1.fffffcp-2f);
  const float e = 1.0f + fmaf(r * r, q, r);
  const uint32_t half = (uint32_t)((int32_t)integer >> 1);
  return e * xr_float_of_bits((half + 127u) << 23) * xr_float_of_bits((integer - half + 127u) << 23);
}

/* ln x to 1 unit in the last place for every float: -infinity at 0, a NaN below and for a NaN.
 *
 *   x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt 2:   ln x = k ln 2 + f - f^2 / 2 + f^3 q(f)
 *
 * q of degree 8, fitted to the least relative error of ln(1 + f), 2^-30. */
XR_MATH_INLINE float xr_exact_log(float x) {
  const uint32_t root = 0x3f3504f3u; /* the bits of sqrt(1/2) */
  const bool small = x < 0x1p-126f;
  const float scaled = small ? x * 0x1p23f : x;
  uint32_t bits;
  memcpy(&bits, &scaled, sizeof bits);
  bits -= root;
  const float k = (float)(((int32_t)bits >> 23) - (small ? 23 : 0));
  const float f = xr_float_of_bits((bits & 0x7fffffu) + root) - 1.0f;
  float q = fmaf(f, 0x1.145994p-4f, -0x1.de3d36p-4f);
  q = fmaf(f, q, 0x1.e6f01ep-4f);
  q = fmaf(f, q, -0x1.fc21ccp-4f);
  q = fmaf(f, q, 0x1.23376ap-3f);
  q = fmaf(f, q, -0x1.555c5p-3f);
  q = fmaf(f, q, 0x1.99a4b6p-3f);
  q = fmaf(f, q, -0x1.000006p-2f);
  q = fmaf(f, q, 0x1.555548p-2f);
  const float rest = fmaf(f * f, f * q, k * -0x1.05c61p-29f);
  const float small_part = fmaf(-0.5f * f, f, rest);
  const float result = fmaf(k, 0x1.62e43p-1f, f + small_part);
  return x > 0.0f && x < INFINITY ? result : x == 0.0f ? -INFINITY : x > 0.0f ? x : NAN;
}
