/* Spans of tensors as f32: what rows.h is for rows, for kernels that do not care where a row ends or whose rows are long.
 *
 * `n` elements that start at element `offset` of `base`, n <= XR_SPAN. Work is cut into spans by shape alone, so results are the
 * same for any number of threads. Reading gives f32; storing rounds once. */
#pragma once

#include "kernels/common/rows.h"

enum { XR_SPAN = 1024 };

/* Number of spans in `count` elements, and the length of the one that starts at `offset`. */
static inline int64_t xr_span_count(int64_t count) { return (count + XR_SPAN - 1) / XR_SPAN; }
static inline int64_t xr_span_length(int64_t count, int64_t offset) { return count - offset < XR_SPAN ? count - offset : XR_SPAN; }

static inline const float *xr_span_read(const void *base, xr_dtype dtype, int64_t offset, int64_t n, float *scratch) {
  if (dtype == XR_F32) return (const float *)base + offset;
  xr_widen(scratch, (const xr_bf16 *)base + offset, n);
  return scratch;
}

/* base[offset + i] = values[i], or += when `accumulate` (the sum is made in f32). */
static inline void xr_span_store(void *base, xr_dtype dtype, int64_t offset, int64_t n, const float *values, bool accumulate) {
  if (dtype == XR_F32) {
    float *out = (float *)base + offset;
    if (accumulate) {
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) out[i] += values[i];
    } else {
      memcpy(out, values, (size_t)n * sizeof *out);
    }
  } else {
    xr_bf16 *out = (xr_bf16 *)base + offset;
    if (accumulate) {
      _Pragma("omp simd") for (int64_t i = 0; i < n; i++) out[i] = xr_f32_to_bf16(xr_bf16_to_f32(out[i]) + values[i]);
    } else {
      xr_narrow(out, values, n);
    }
  }
}

static inline void xr_span_zero(void *base, xr_dtype dtype, int64_t offset, int64_t n) {
  memset((char *)base + (size_t)offset * xr_dtype_bytes(dtype), 0, (size_t)n * xr_dtype_bytes(dtype));
}

static inline bool xr_is_float(xr_dtype dtype) { return dtype == XR_F32 || dtype == XR_BF16; }

/* out (+)= factor * in, over `count` elements: the whole of many backward passes. `out` may be the memory of `in` when they have
 * the same dtype. */
static inline void xr_scaled_copy(void *out, xr_dtype out_dtype, bool accumulate, float factor, const void *in, xr_dtype in_dtype,
                                  int64_t count) {
  _Pragma("omp parallel for schedule(static)") for (int64_t span = 0; span < xr_span_count(count); span++) {
    const int64_t offset = span * XR_SPAN, n = xr_span_length(count, offset);
    float scratch[XR_SPAN], scaled[XR_SPAN];
    const float *x = xr_span_read(in, in_dtype, offset, n, scratch);
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) scaled[i] = factor * x[i];
    xr_span_store(out, out_dtype, offset, n, scaled, accumulate);
  }
}
