/* Four neighbouring columns of a row, as f32 in registers: what one lane holds of a head. */
#pragma once

#include <stdint.h>

#include <initializer_list>

#include "kernels/common/dtype.cuh"

namespace xr {

__device__ __forceinline__ float4 load_quad(const float *at) { return *reinterpret_cast<const float4 *>(at); }
__device__ __forceinline__ float4 load_quad(const __nv_bfloat16 *at) {
  const uint2 pair = *reinterpret_cast<const uint2 *>(at);
  return make_float4(__uint_as_float(pair.x << 16), __uint_as_float(pair.x & 0xffff0000u), __uint_as_float(pair.y << 16),
                     __uint_as_float(pair.y & 0xffff0000u));
}
__device__ __forceinline__ void store_quad(float *at, float4 x) { *reinterpret_cast<float4 *>(at) = x; }
__device__ __forceinline__ uint32_t pack_pair(float low, float high) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(low)) | static_cast<uint32_t>(__bfloat16_as_ushort(__float2bfloat16_rn(high))) << 16;
}
__device__ __forceinline__ void store_quad(__nv_bfloat16 *at, float4 x) {
  *reinterpret_cast<uint2 *>(at) = make_uint2(pack_pair(x.x, x.y), pack_pair(x.z, x.w));
}

__device__ __forceinline__ float4 zero_quad() { return make_float4(0, 0, 0, 0); }
__device__ __forceinline__ float dot(float4 a, float4 b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }
__device__ __forceinline__ void add_to(float4 &sum, float4 x) {
  sum.x += x.x;
  sum.y += x.y;
  sum.z += x.z;
  sum.w += x.w;
}
__device__ __forceinline__ void multiply_add(float4 &sum, float factor, float4 x) {
  sum.x += factor * x.x;
  sum.y += factor * x.y;
  sum.z += factor * x.z;
  sum.w += factor * x.w;
}

/* Columns first .. first + 3 of a row of `width` columns; 0 beyond. `quads`: rows start at multiples of four elements, and width is one. */
template <class T> __device__ __forceinline__ float4 read_quad(const T *row, int first, int width, bool quads) {
  if (first >= width) return zero_quad();
  if (quads) return load_quad(row + first);
  return make_float4(xr_to_float(row[first]), first + 1 < width ? xr_to_float(row[first + 1]) : 0,
                     first + 2 < width ? xr_to_float(row[first + 2]) : 0, first + 3 < width ? xr_to_float(row[first + 3]) : 0);
}

/* Whether rows of `width` elements of T, next to each other from these addresses on, may be read four at a time; NULL does not matter. */
template <class T> inline bool rows_are_quads(int64_t width, std::initializer_list<const void *> bases) {
  uintptr_t bits = 0;
  for (const void *base : bases) bits |= reinterpret_cast<uintptr_t>(base);
  return width % 4 == 0 && bits % (4 * sizeof(T)) == 0;
}

/* Stores x there, or adds it to what is there. */
template <class T> __device__ __forceinline__ void write_quad(T *row, int first, int width, bool quads, float4 x, bool accumulate) {
  if (first >= width) return;
  if (accumulate) add_to(x, read_quad(row, first, width, quads));
  if (quads) {
    store_quad(row + first, x);
    return;
  }
  row[first] = xr_from_float<T>(x.x);
  if (first + 1 < width) row[first + 1] = xr_from_float<T>(x.y);
  if (first + 2 < width) row[first + 2] = xr_from_float<T>(x.z);
  if (first + 3 < width) row[first + 3] = xr_from_float<T>(x.w);
}

} /* namespace xr */
