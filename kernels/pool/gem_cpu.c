#include "kernels/common/spans.h"
#include "kernels/pool/gem.h"
#include "kernels/pool/gem_power.h"

xr_status xr_gem_check(const xr_gem *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "gem: dtype %s", xr_dtype_name(a->dtype));
  if (a->batch < 0 || a->places < 1 || a->channels < 0 || a->batch > 65535)
    return xr_fail(XR_BAD_SHAPE, "gem: x [%lld, %lld, %lld]", (long long)a->batch, (long long)a->places, (long long)a->channels);
  return XR_OK;
}

/* What each column adds to dp. */
size_t xr_gem_workspace(const xr_gem *a) { return (size_t)(a->batch * a->channels) * sizeof(float); }

static float power_of(const xr_gem *a) { return a->learned_power ? *a->learned_power : a->power; }

static void forward_span(const xr_gem *a, int64_t b, int64_t at, int64_t n) {
  const float p = power_of(a);
  float sum[XR_SPAN] = {0}, scratch[XR_SPAN];
  for (int64_t place = 0; place < a->places; place++) {
    const float *x = xr_span_read(a->x, a->dtype, (b * a->places + place) * a->channels + at, n, scratch);
    for (int64_t k = 0; k < n; k++) sum[k] += xr_gem_term(x[k], p);
  }
  float *mean = a->mean + b * a->channels + at, *y = a->y + b * a->channels + at;
  for (int64_t k = 0; k < n; k++) {
    mean[k] = sum[k] / (float)a->places + a->eps;
    y[k] = xr_gem_root(mean[k], p);
  }
}

xr_status xr_gem_forward_cpu(const xr_gem *a) {
  XR_TRY(xr_gem_check(a));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < a->batch; b++)
    for (int64_t at = 0; at < a->channels; at += XR_SPAN) forward_span(a, b, at, xr_span_length(a->channels, at));
  return XR_OK;
}

static void dx_span(const xr_gem *a, int64_t b, int64_t at, int64_t n) {
  const float p = power_of(a), *mean = a->mean + b * a->channels + at, *dy = a->dy + b * a->channels + at;
  float factor[XR_SPAN], scratch[XR_SPAN], dx[XR_SPAN];
  for (int64_t k = 0; k < n; k++) factor[k] = dy[k] * xr_gem_root_slope(mean[k], p) / (float)a->places;
  for (int64_t place = 0; place < a->places; place++) {
    const int64_t offset = (b * a->places + place) * a->channels + at;
    const float *x = xr_span_read(a->x, a->dtype, offset, n, scratch);
    for (int64_t k = 0; k < n; k++) dx[k] = factor[k] * xr_gem_slope(x[k], p);
    xr_span_store(a->dx, a->dtype, offset, n, dx, a->accumulate_dx);
  }
}

static void dpower_span(const xr_gem *a, int64_t b, int64_t at, int64_t n) {
  const float p = power_of(a);
  const int64_t column = b * a->channels + at;
  float sum[XR_SPAN] = {0}, scratch[XR_SPAN];
  for (int64_t place = 0; place < a->places; place++) {
    const float *x = xr_span_read(a->x, a->dtype, (b * a->places + place) * a->channels + at, n, scratch);
    for (int64_t k = 0; k < n; k++) sum[k] += xr_gem_log_term(x[k], p);
  }
  for (int64_t k = 0; k < n; k++)
    a->workspace[column + k] = xr_gem_power_slope(a->dy[column + k], sum[k] / (float)a->places, a->mean[column + k], p);
}

xr_status xr_gem_backward_cpu(const xr_gem *a) {
  XR_TRY(xr_gem_check(a));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t b = 0; b < a->batch; b++) {
    for (int64_t at = 0; at < a->channels; at += XR_SPAN) {
      if (a->dx) dx_span(a, b, at, xr_span_length(a->channels, at));
      if (a->dpower) dpower_span(a, b, at, xr_span_length(a->channels, at));
    }
  }
  if (!a->dpower) return XR_OK;
  double total = 0;
  for (int64_t i = 0; i < a->batch * a->channels; i++) total += (double)a->workspace[i];
  *a->dpower = (float)total + (a->accumulate_dpower ? *a->dpower : 0);
  return XR_OK;
}
