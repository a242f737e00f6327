#include "kernels/loss/cross_entropy.h"

#include <math.h>

#include "kernels/common/math.h"
#include "kernels/common/spans.h"

xr_status xr_cross_entropy_check(const xr_cross_entropy *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "cross_entropy: dtype %s", xr_dtype_name(a->dtype));
  if (a->rows < 0 || a->classes < 1 || a->classes > INT32_MAX)
    return xr_fail(XR_BAD_SHAPE, "cross_entropy: logits [%lld, %lld]", (long long)a->rows, (long long)a->classes);
  if (!(a->smoothing >= 0 && a->smoothing < 1 && a->divisor >= 0))
    return xr_fail(XR_BAD_ARGUMENT, "cross_entropy: smoothing %g (legal: 0 to below 1), divisor %g (legal: 0 and above)",
                   (double)a->smoothing, (double)a->divisor);
  return XR_OK;
}

static xr_status count_rows(const xr_cross_entropy *a, int64_t *counted) {
  *counted = 0;
  for (int64_t row = 0; row < a->rows; row++) {
    if (a->labels[row] < -1 || a->labels[row] >= a->classes)
      return xr_fail(XR_BAD_INPUT, "cross_entropy: row %lld has the label %d; classes are 0 to %lld, and -1 leaves a row out",
                     (long long)row, a->labels[row], (long long)a->classes - 1);
    *counted += a->labels[row] >= 0;
  }
  return XR_OK;
}

static float row_maximum(const xr_cross_entropy *a, int64_t row) {
  float largest = -INFINITY;
  for (int64_t at = 0; at < a->classes; at += XR_SPAN) {
    const int64_t n = xr_span_length(a->classes, at);
    float scratch[XR_SPAN];
    const float *z = xr_span_read(a->logits, a->dtype, row * a->classes + at, n, scratch);
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < n; i++) largest = z[i] > largest ? z[i] : largest;
  }
  return largest;
}

/* Sums over a row of e^(z - largest) and of z - largest. */
typedef struct {
  double exponentials, shifted;
} row_sums;

static row_sums sum_row(const xr_cross_entropy *a, int64_t row, float largest) {
  double exponentials = 0, shifted = 0; /* many small terms: f32 would lose them, unless vectors split the sum */
  for (int64_t at = 0; at < a->classes; at += XR_SPAN) {
    const int64_t n = xr_span_length(a->classes, at);
    float scratch[XR_SPAN];
    const float *z = xr_span_read(a->logits, a->dtype, row * a->classes + at, n, scratch);
#pragma omp simd reduction(+ : exponentials, shifted)
    for (int64_t i = 0; i < n; i++) {
      exponentials += (double)xr_exp(z[i] - largest);
      shifted += (double)(z[i] - largest);
    }
  }
  return (row_sums){exponentials, shifted};
}

static void write_gradient(const xr_cross_entropy *a, int64_t row, float largest, double exponentials, double divisor) {
  const float inverse = (float)(1 / exponentials), scale = (float)(1 / divisor);
  const float floor = a->smoothing / (float)a->classes, target = 1 - a->smoothing;
  const int64_t label = a->labels[row];
  for (int64_t at = 0; at < a->classes; at += XR_SPAN) {
    const int64_t n = xr_span_length(a->classes, at);
    float scratch[XR_SPAN], p[XR_SPAN];
    const float *z = xr_span_read(a->logits, a->dtype, row * a->classes + at, n, scratch);
#pragma omp simd
    for (int64_t i = 0; i < n; i++) p[i] = xr_exp(z[i] - largest) * inverse - floor;
    if (label >= at && label < at + n) p[label - at] -= target;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) p[i] *= scale;
    xr_span_store(a->gradient, a->dtype, row * a->classes + at, n, p, false);
  }
}

static float one_row(const xr_cross_entropy *a, int64_t row, double divisor) {
  if (a->labels[row] < 0) {
    if (a->gradient) xr_span_zero(a->gradient, a->dtype, row * a->classes, a->classes);
    return 0;
  }
  float scratch;
  const float largest = row_maximum(a, row);
  const float label_logit = *xr_span_read(a->logits, a->dtype, row * a->classes + a->labels[row], 1, &scratch);
  const row_sums sums = sum_row(a, row, largest);
  if (a->gradient) write_gradient(a, row, largest, sums.exponentials, divisor);
  const double e = (double)a->smoothing;
  double loss = log(sums.exponentials) - (1 - e) * ((double)label_logit - (double)largest);
  if (e > 0) loss -= e / (double)a->classes * sums.shifted; /* a logit of -infinity is legal without smoothing */
  return (float)loss;
}

xr_status xr_cross_entropy_forward_cpu(const xr_cross_entropy *a) {
  int64_t counted;
  XR_TRY(xr_cross_entropy_check(a));
  XR_TRY(count_rows(a, &counted));
  const double divisor = a->divisor > 0 ? (double)a->divisor : (double)counted;
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < a->rows; row++) a->row_loss[row] = one_row(a, row, divisor);
  double total = 0;
  for (int64_t row = 0; row < a->rows; row++) total += (double)a->row_loss[row];
  a->loss[0] = counted ? (float)(total / divisor) : 0;
  return XR_OK;
}

xr_status xr_cross_entropy_backward_cpu(const xr_cross_entropy *a) {
  XR_TRY(xr_cross_entropy_check(a));
  xr_scaled_copy(a->dlogits, a->dtype, a->accumulate_dlogits, a->dloss[0], a->gradient, a->dtype, a->rows * a->classes);
  return XR_OK;
}
