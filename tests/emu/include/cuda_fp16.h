/* Half precision: storage and conversions, rounded to nearest even. */
#pragma once

#include <cuda_runtime.h>

struct alignas(2) __half {
  unsigned short bits_;
  __half() = default;
  __half(float f) { bits_ = round(f); }
  operator float() const {
    const uint32_t sign = static_cast<uint32_t>(bits_ & 0x8000) << 16, exponent = bits_ >> 10 & 31, fraction = bits_ & 1023;
    if (exponent == 31) return emu::bits<float>(sign | 0x7f800000u | fraction << 13);
    const float magnitude = exponent ? std::ldexp(static_cast<float>(fraction + 1024), static_cast<int>(exponent) - 25)
                                     : std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -magnitude : magnitude;
  }

private:
  static unsigned short round(float f) {
    const unsigned sign = emu::bits<uint32_t>(f) >> 16 & 0x8000;
    const float magnitude = std::fabs(f);
    if (f != f) return 0x7fff;
    if (magnitude >= 65520.0f) return static_cast<unsigned short>(sign | 0x7c00);
    int exponent = -14; /* of zero, as of the smallest */
    if (magnitude > 0) std::frexp(magnitude, &exponent);
    const int scale = exponent < -13 ? -24 : exponent - 11; /* of the last kept bit */
    const unsigned steps = static_cast<unsigned>(std::nearbyint(std::ldexp(magnitude, -scale)));
    const unsigned bits = static_cast<unsigned>(scale + 24) * 1024 + steps;
    return static_cast<unsigned short>(sign | bits);
  }
};
struct alignas(4) __half2 {
  __half x, y;
};
typedef __half half;
typedef __half2 half2;

inline float __half2float(__half v) { return v; }
inline __half __float2half(float f) { return f; }
inline __half __float2half_rn(float f) { return f; }
inline __half2 __floats2half2_rn(float x, float y) { return {x, y}; }
inline float2 __half22float2(__half2 v) { return {v.x, v.y}; }
