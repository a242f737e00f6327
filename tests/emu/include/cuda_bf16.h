/* bf16: 16 bits of storage, rounded to nearest even on the way in, arithmetic in f32. */
#pragma once

#include <cuda_runtime.h>

struct alignas(2) __nv_bfloat16_raw {
  unsigned short x;
};

struct alignas(2) __nv_bfloat16 {
  unsigned short bits_;
  __nv_bfloat16() = default;
  __nv_bfloat16(__nv_bfloat16_raw raw) : bits_(raw.x) {}
  __nv_bfloat16(float f) {
    const uint32_t u = emu::bits<uint32_t>(f);
    bits_ = f != f ? 0x7fff : static_cast<unsigned short>((u + 0x7fff + (u >> 16 & 1)) >> 16);
  }
  operator float() const { return emu::bits<float>(static_cast<uint32_t>(bits_) << 16); }
  operator __nv_bfloat16_raw() const { return {bits_}; }
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;

inline float __bfloat162float(__nv_bfloat16 v) { return v; }
inline __nv_bfloat16 __float2bfloat16(float f) { return f; }
inline __nv_bfloat16 __float2bfloat16_rn(float f) { return f; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) { return __nv_bfloat16_raw{bits}; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 v) { return v.bits_; }
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) { return {x, y}; }
inline __nv_bfloat162 __float22bfloat162_rn(float2 v) { return {v.x, v.y}; }
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) { return {x, y}; }
inline float2 __bfloat1622float2(__nv_bfloat162 v) { return {v.x, v.y}; }
inline float __low2float(__nv_bfloat162 v) { return v.x; }
inline float __high2float(__nv_bfloat162 v) { return v.y; }

inline __nv_bfloat162 atomicAdd(__nv_bfloat162 *place, __nv_bfloat162 v) {
  const uint32_t old = emu::modify(reinterpret_cast<uint32_t *>(place), [v](uint32_t bits) {
    const __nv_bfloat162 o = emu::bits<__nv_bfloat162>(bits);
    return emu::bits<uint32_t>(
        __nv_bfloat162{static_cast<float>(o.x) + static_cast<float>(v.x), static_cast<float>(o.y) + static_cast<float>(v.y)});
  });
  return emu::bits<__nv_bfloat162>(old);
}
inline __nv_bfloat16 atomicAdd(__nv_bfloat16 *place, __nv_bfloat16 v) {
  const unsigned short old = emu::modify(reinterpret_cast<unsigned short *>(place), [v](unsigned short bits) {
    return __nv_bfloat16(static_cast<float>(__ushort_as_bfloat16(bits)) + static_cast<float>(v)).bits_;
  });
  return __ushort_as_bfloat16(old);
}
