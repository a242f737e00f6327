/* The gradient of position tables and class tokens: a sum over the batch. Used by the kernels of this folder. */
#pragma once

#include "kernels/common/spans.h"

/* out[token, :] (+)= sum over b of dy[b, first + token, :], in the order of b; dy [batch, tokens, width], out [count, width] f32. */
static inline void xr_sum_over_batch(float *out, bool accumulate, const void *dy, xr_dtype dtype, int64_t batch, int64_t tokens,
                                     int64_t first, int64_t count, int64_t width) {
  _Pragma("omp parallel for collapse(2) schedule(static)") for (int64_t token = 0; token < count; token++) {
    for (int64_t span = 0; span < xr_span_count(width); span++) {
      const int64_t at = span * XR_SPAN, n = xr_span_length(width, at);
      float sum[XR_SPAN] = {0}, scratch[XR_SPAN];
      for (int64_t b = 0; b < batch; b++) {
        const float *g = xr_span_read(dy, dtype, (b * tokens + first + token) * width + at, n, scratch);
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) sum[i] += g[i];
      }
      xr_span_store(out, XR_F32, token * width + at, n, sum, accumulate);
    }
  }
}
