/* Element types of tensors, and bf16 in C. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum { XR_F32, XR_BF16, XR_I32, XR_U8, XR_F16, XR_F64, XR_I64, XR_DTYPES } xr_dtype;

typedef uint16_t xr_bf16; /* the upper half of an IEEE f32 */

static inline size_t xr_dtype_bytes(xr_dtype dtype) {
  static const unsigned char bytes[XR_DTYPES] = {4, 2, 4, 1, 2, 8, 8};
  return bytes[dtype];
}

static inline const char *xr_dtype_name(xr_dtype dtype) {
  static const char *const name[XR_DTYPES] = {"f32", "bf16", "i32", "u8", "f16", "f64", "i64"};
  return name[dtype];
}

static inline float xr_bf16_to_f32(xr_bf16 x) {
  uint32_t bits = (uint32_t)x << 16;
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

/* Rounds to nearest, ties to even; a NaN stays a (quiet) NaN. */
static inline xr_bf16 xr_f32_to_bf16(float f) {
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  return (xr_bf16)((bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16) | 0x40u : rounded >> 16);
}
