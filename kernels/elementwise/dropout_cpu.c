#include "kernels/elementwise/dropout.h"

#include "kernels/common/spans.h"

xr_status xr_dropout_check(const xr_dropout *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "dropout: dtype %s", xr_dtype_name(a->dtype));
  if (!(a->rate >= 0 && a->rate < 1)) return xr_fail(XR_BAD_ARGUMENT, "dropout: rate %g, legal are 0 to below 1", (double)a->rate);
  return XR_OK;
}

static xr_status masked_copy(const xr_dropout *a, void *out, bool accumulate, const void *in) {
  XR_TRY(xr_dropout_check(a));
  const float rate = a->rate, factor = 1 / (1 - rate);
#pragma omp parallel for schedule(static)
  for (int64_t span = 0; span < xr_span_count(a->count); span++) {
    const int64_t at = span * XR_SPAN, n = xr_span_length(a->count, at);
    float scratch[XR_SPAN], u[XR_SPAN], kept[XR_SPAN];
    for (int64_t block = 0; block < (n + 3) / 4; block++) {
      const xr_philox words = xr_seed_words(a->seed, a->node, (uint64_t)(at / 4 + block)); /* XR_SPAN is a multiple of 4 */
      for (int k = 0; k < 4; k++) u[4 * block + k] = xr_uniform(words.word[k]);
    }
    const float *x = xr_span_read(in, a->dtype, at, n, scratch);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) kept[i] = u[i] >= rate ? factor * x[i] : 0;
    xr_span_store(out, a->dtype, at, n, kept, accumulate);
  }
  return XR_OK;
}

xr_status xr_dropout_forward_cpu(const xr_dropout *a) { return masked_copy(a, a->y, false, a->x); }

xr_status xr_dropout_backward_cpu(const xr_dropout *a) { return masked_copy(a, a->dx, a->accumulate_dx, a->dy); }
