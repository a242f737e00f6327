/* What a tensor core reads of an f32 operand. */
#pragma once

#include <cstdint>
#include <cstring>

/* To 10 bits of fraction, ties to even. */
static inline float rounded_to_tf32(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7f800000u) != 0x7f800000u) bits = (bits + 0x0fffu + (bits >> 13 & 1u)) & ~0x1fffu;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
