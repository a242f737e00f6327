#include "kernels/common/spans.h"
#include "kernels/embedding_set/token_pool.h"

enum { STRIP = 128 }; /* columns at a time: the sums of all elements stay in the first-level cache */

xr_status xr_token_pool_check(const xr_token_pool *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "token_pool: dtype %s", xr_dtype_name(a->dtype));
  if (a->batch < 0 || a->tokens < 0 || a->width < 0 || a->set < 1 || a->set > XR_MAX_SET_SIZE)
    return xr_fail(XR_BAD_SHAPE, "token_pool: x [%lld, %lld, %lld] for %lld elements; 1 to %d are supported", (long long)a->batch,
                   (long long)a->tokens, (long long)a->width, (long long)a->set, XR_MAX_SET_SIZE);
  return XR_OK;
}

static void pool_strip(const xr_token_pool *a, int64_t b, int64_t at) {
  const int64_t n = a->width - at < STRIP ? a->width - at : STRIP;
  float sum[XR_MAX_SET_SIZE][STRIP] = {{0}}, scratch[STRIP];
  for (int64_t t = b * a->tokens; t < (b + 1) * a->tokens; t++) {
    const float *x = xr_span_read(a->x, a->dtype, t * a->width + at, n, scratch);
    for (int64_t k = 0; k < a->set; k++) {
      const float w = a->weights[t * a->set + k];
#pragma omp simd
      for (int64_t i = 0; i < n; i++) sum[k][i] += w * x[i];
    }
  }
  for (int64_t k = 0; k < a->set; k++) xr_span_store(a->y, a->dtype, (b * a->set + k) * a->width + at, n, sum[k], false);
}

xr_status xr_token_pool_forward_cpu(const xr_token_pool *a) {
  XR_TRY(xr_token_pool_check(a));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < a->batch; b++)
    for (int64_t at = 0; at < a->width; at += STRIP) pool_strip(a, b, at);
  return XR_OK;
}

/* What token t of sample b gets back. */
static void backward_token(const xr_token_pool *a, int64_t b, int64_t t) {
  double product[XR_MAX_SET_SIZE] = {0}; /* rounded once, however the loop is vectorised */
  for (int64_t at = 0; at < a->width; at += STRIP) {
    const int64_t n = a->width - at < STRIP ? a->width - at : STRIP;
    float scratch_x[STRIP], scratch_g[STRIP], dx[STRIP] = {0};
    const float *x = xr_span_read(a->x, a->dtype, t * a->width + at, n, scratch_x);
    for (int64_t k = 0; k < a->set; k++) {
      const float w = a->weights[t * a->set + k];
      const float *g = xr_span_read(a->dy, a->dtype, (b * a->set + k) * a->width + at, n, scratch_g);
      double sum = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = 0; i < n; i++) {
        dx[i] += w * g[i];
        sum += (double)(g[i] * x[i]);
      }
      product[k] += sum;
    }
    if (a->dx) xr_span_store(a->dx, a->dtype, t * a->width + at, n, dx, a->accumulate_dx);
  }
  float *to = a->dweights + t * a->set;
  for (int64_t k = 0; a->dweights && k < a->set; k++) to[k] = (a->accumulate_dweights ? to[k] : 0) + (float)product[k];
}

xr_status xr_token_pool_backward_cpu(const xr_token_pool *a) {
  XR_TRY(xr_token_pool_check(a));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < a->batch; b++)
    for (int64_t n = 0; n < a->tokens; n++) backward_token(a, b, b * a->tokens + n);
  return XR_OK;
}
