#include "tests/support/kernel.h"

#include <math.h>

#include "host/base/random.h"

void *xr_hold(xr_blocks *blocks, void *block) {
  cr_assert(blocks->count < (int)(sizeof blocks->block / sizeof *blocks->block), "xr_hold: too many blocks in one test");
  blocks->block[blocks->count++] = block;
  return block;
}

void xr_release(xr_blocks *blocks) {
  while (blocks->count) xr_block_free(blocks->block[--blocks->count]);
}

void *xr_random_block(xr_blocks *blocks, xr_dtype dtype, int64_t count, uint64_t seed) {
  void *block = xr_hold(blocks, xr_block_alloc((size_t)count * xr_dtype_bytes(dtype)));
  xr_random random = xr_random_start(seed, 0);
  for (int64_t i = 0; i < count; i++) {
    const float value = xr_random_normal(&random);
    if (dtype == XR_F32)
      ((float *)block)[i] = value;
    else
      ((xr_bf16 *)block)[i] = xr_f32_to_bf16(value);
  }
  return block;
}

static double value_at(const void *values, xr_dtype dtype, int64_t i) {
  return dtype == XR_F32 ? (double)((const float *)values)[i] : (double)xr_bf16_to_f32(((const xr_bf16 *)values)[i]);
}

void xr_expect_doubled(const void *once, const void *twice, xr_dtype dtype, int64_t count, const char *what) {
  for (int64_t i = 0; i < count; i++) {
    const double expected = 2 * value_at(once, dtype, i), got = value_at(twice, dtype, i);
    const double allowed = dtype == XR_F32 ? 0 : 0x1p-7 * fabs(expected);
    cr_assert(fabs(got - expected) <= allowed, "%s[%lld]: %g accumulated on itself is %g", what, (long long)i, expected / 2, got);
  }
}
