/* Rows of tensors as f32, whatever they are stored as: every CPU kernel computes in f32 and is written once.
 *
 * An f32 row is used in place; a bf16 row is widened into the caller's scratch row. */
#pragma once

#include "host/base/dtype.h"

enum {
  XR_MAX_ROW = 8192,       /* longest row of the row-wise kernels: their scratch rows lie on the stack */
  XR_REDUCTION_BLOCKS = 32 /* sums over rows: this many partial sums, added in order, whatever the number of threads */
};

static inline void xr_widen(float *out, const xr_bf16 *in, int64_t n) {
  _Pragma("omp simd") for (int64_t i = 0; i < n; i++) out[i] = xr_bf16_to_f32(in[i]);
}

static inline void xr_narrow(xr_bf16 *out, const float *in, int64_t n) {
  _Pragma("omp simd") for (int64_t i = 0; i < n; i++) out[i] = xr_f32_to_bf16(in[i]);
}

/* Row `row` of base [.., n] for reading: inside base (f32) or in scratch[n] (bf16). */
static inline const float *xr_row_read(const void *base, xr_dtype dtype, int64_t row, int64_t n, float *scratch) {
  if (dtype == XR_F32) return (const float *)base + row * n;
  xr_widen(scratch, (const xr_bf16 *)base + row * n, n);
  return scratch;
}

/* Where to compute row `row` before xr_row_write(): in place (f32) or in scratch[n] (bf16). */
static inline float *xr_row_target(void *base, xr_dtype dtype, int64_t row, int64_t n, float *scratch) {
  return dtype == XR_F32 ? (float *)base + row * n : scratch;
}

/* Stores a row made at xr_row_target(); nothing to do for f32. */
static inline void xr_row_write(void *base, xr_dtype dtype, int64_t row, int64_t n, const float *values) {
  if (dtype == XR_BF16) xr_narrow((xr_bf16 *)base + row * n, values, n);
}
