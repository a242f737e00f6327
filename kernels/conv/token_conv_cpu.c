#include "kernels/conv/token_conv.h"

#include "kernels/common/spans.h"

enum { STRIP = 256 }; /* channels at a time: their taps stay in the nearest cache */

xr_status xr_token_conv_check(const xr_token_conv *a) {
  if (!xr_is_float(a->dtype) || !xr_is_float(a->weight_dtype))
    return xr_fail(XR_UNSUPPORTED, "token_conv: dtype %s with a weight of %s", xr_dtype_name(a->dtype), xr_dtype_name(a->weight_dtype));
  if (a->batch < 0 || a->tokens < 0 || a->width < 0)
    return xr_fail(XR_BAD_SHAPE, "token_conv: x [%lld, %lld, %lld]", (long long)a->batch, (long long)a->tokens, (long long)a->width);
  if (a->taps < 1 || a->taps > XR_TOKEN_CONV_TAPS || a->taps % 2 == 0)
    return xr_fail(XR_BAD_SHAPE, "token_conv: the weight has %lld taps; odd numbers from 1 to %d are supported", (long long)a->taps,
                   XR_TOKEN_CONV_TAPS);
  return XR_OK;
}

static xr_status check_lengths(const xr_token_conv *a) {
  for (int64_t b = 0; a->length && b < a->batch; b++)
    if (a->length[b] < 0 || a->length[b] > a->tokens)
      return xr_fail(XR_BAD_INPUT, "token_conv: sample %lld has length %d; legal are 0 to %lld", (long long)b, a->length[b],
                     (long long)a->tokens);
  return XR_OK;
}

size_t xr_token_conv_workspace(const xr_token_conv *a) {
  return (size_t)(xr_token_conv_parts(a->batch) * a->taps * a->width) * sizeof(float);
}

static int64_t end_of(const xr_token_conv *a, int64_t b) { return a->length ? a->length[b] : a->tokens; }

static int64_t strip_count(const xr_token_conv *a) { return (a->width + STRIP - 1) / STRIP; }
static int64_t strip_length(const xr_token_conv *a, int64_t at) { return a->width - at < STRIP ? a->width - at : STRIP; }

/* taps[k][i] = weight[at + i, k], or with the taps in reverse order. */
static void read_taps(const xr_token_conv *a, int64_t at, int64_t n, bool reverse, float taps[][STRIP]) {
  float scratch[XR_TOKEN_CONV_TAPS * STRIP];
  const float *w = xr_span_read(a->weight, a->weight_dtype, at * a->taps, n * a->taps, scratch); /* any length that scratch has */
  for (int64_t k = 0; k < a->taps; k++)
    for (int64_t i = 0; i < n; i++) taps[reverse ? a->taps - 1 - k : k][i] = w[i * a->taps + k];
}

/* out (+)= the sum over k of taps[k] times the token k - (K - 1) / 2 further on, for one strip of channels of sample b. The gradient of x
 * is that of dy with the taps in reverse order. */
static void filter(const xr_token_conv *a, const void *in, void *out, bool reverse, bool accumulate, int64_t b, int64_t at) {
  const int64_t n = strip_length(a, at), end = end_of(a, b), half = a->taps / 2, first = b * a->tokens;
  float taps[XR_TOKEN_CONV_TAPS][STRIP], scratch[STRIP];
  read_taps(a, at, n, reverse, taps);
  for (int64_t t = 0; t < a->tokens; t++) {
    float sum[STRIP] = {0};
    for (int64_t k = 0; k < a->taps && t < end; k++) {
      const int64_t source = t + k - half;
      if (source < 0 || source >= end) continue;
      const float *x = xr_span_read(in, a->dtype, (first + source) * a->width + at, n, scratch);
#pragma omp simd
      for (int64_t i = 0; i < n; i++) sum[i] += taps[k][i] * x[i];
    }
    xr_span_store(out, a->dtype, (first + t) * a->width + at, n, sum, accumulate);
  }
}

static void filter_all(const xr_token_conv *a, const void *in, void *out, bool reverse, bool accumulate) {
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < a->batch; b++)
    for (int64_t strip = 0; strip < strip_count(a); strip++) filter(a, in, out, reverse, accumulate, b, strip * STRIP);
}

xr_status xr_token_conv_forward_cpu(const xr_token_conv *a) {
  XR_TRY(xr_token_conv_check(a));
  XR_TRY(check_lengths(a));
  filter_all(a, a->x, a->y, false, false);
  return XR_OK;
}

/* One strip of one partial sum of dweight, [K, D] each: over the part's samples and their tokens, in order. */
static void partial_sum(const xr_token_conv *a, int64_t part, int64_t at) {
  const int64_t n = strip_length(a, at), half = a->taps / 2, each = xr_token_conv_each(a->batch);
  const int64_t last = (part + 1) * each < a->batch ? (part + 1) * each : a->batch;
  float sum[XR_TOKEN_CONV_TAPS][STRIP] = {0}, scratch_g[STRIP], scratch_x[STRIP];
  for (int64_t b = part * each; b < last; b++) {
    const int64_t first = b * a->tokens, end = end_of(a, b);
    for (int64_t t = 0; t < end; t++) {
      const float *g = xr_span_read(a->dy, a->dtype, (first + t) * a->width + at, n, scratch_g);
      for (int64_t k = 0; k < a->taps; k++) {
        const int64_t source = t + k - half;
        if (source < 0 || source >= end) continue;
        const float *x = xr_span_read(a->x, a->dtype, (first + source) * a->width + at, n, scratch_x);
#pragma omp simd
        for (int64_t i = 0; i < n; i++) sum[k][i] += g[i] * x[i];
      }
    }
  }
  for (int64_t k = 0; k < a->taps; k++) xr_span_store(a->workspace, XR_F32, (part * a->taps + k) * a->width + at, n, sum[k], false);
}

/* dweight (+)= the partial sums, in their order. */
static void fold(const xr_token_conv *a, int64_t at) {
  const int64_t n = strip_length(a, at), parts = xr_token_conv_parts(a->batch);
  for (int64_t k = 0; k < a->taps; k++) {
    float sum[STRIP] = {0};
    for (int64_t part = 0; part < parts; part++) {
      const float *from = a->workspace + (part * a->taps + k) * a->width + at;
#pragma omp simd
      for (int64_t i = 0; i < n; i++) sum[i] += from[i];
    }
    for (int64_t i = 0; i < n; i++) {
      float *to = &a->dweight[(at + i) * a->taps + k];
      *to = a->accumulate_dweight ? *to + sum[i] : sum[i];
    }
  }
}

xr_status xr_token_conv_backward_cpu(const xr_token_conv *a) {
  XR_TRY(xr_token_conv_check(a));
  XR_TRY(check_lengths(a));
  if (a->dx) filter_all(a, a->dy, a->dx, true, a->accumulate_dx);
  if (!a->dweight) return XR_OK;
  const int64_t parts = xr_token_conv_parts(a->batch);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t part = 0; part < parts; part++)
    for (int64_t strip = 0; strip < strip_count(a); strip++) partial_sum(a, part, strip * STRIP);
#pragma omp parallel for schedule(static)
  for (int64_t strip = 0; strip < strip_count(a); strip++) fold(a, strip * STRIP);
  return XR_OK;
}
