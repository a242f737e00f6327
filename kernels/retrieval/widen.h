/* Rows stored as f32, bf16 or f16, read as f32 on the CPU. Every widening is exact. */
#pragma once

#include "kernels/common/rows.h"

static inline bool xr_is_score_dtype(xr_dtype dtype) { return dtype == XR_F32 || dtype == XR_BF16 || dtype == XR_F16; }

/* out[i] = in[offset + i], i < n. */
static inline void xr_widen_any(float *out, const void *in, xr_dtype dtype, int64_t offset, int64_t n) {
  if (dtype == XR_F32) {
    memcpy(out, (const float *)in + offset, (size_t)n * sizeof *out);
  } else if (dtype == XR_BF16) {
    xr_widen(out, (const xr_bf16 *)in + offset, n);
  } else {
    const _Float16 *x = (const _Float16 *)in + offset;
    _Pragma("omp simd") for (int64_t i = 0; i < n; i++) out[i] = (float)x[i];
  }
}
