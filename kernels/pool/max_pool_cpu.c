#include "kernels/common/spans.h"
#include "kernels/pool/max_pool.h"
#include "kernels/pool/windows.h"

xr_status xr_max_pool_check(const xr_max_pool *a) {
  if (!xr_is_float(a->dtype)) return xr_fail(XR_UNSUPPORTED, "max_pool: dtype %s", xr_dtype_name(a->dtype));
  if (a->kernel < 1 || a->kernel > 15 || a->stride < 1 || a->pad < 0 || a->pad > a->kernel / 2)
    return xr_fail(
        XR_BAD_ARGUMENT,
        "max_pool: windows of side %lld, stride %lld, padding %lld; sides of 1 to 15 and paddings up to half of it are supported",
        (long long)a->kernel, (long long)a->stride, (long long)a->pad);
  if (a->batch < 0 || a->channels < 0 || a->height < 1 || a->width < 1 || a->height + 2 * a->pad < a->kernel ||
      a->width + 2 * a->pad < a->kernel)
    return xr_fail(XR_BAD_SHAPE, "max_pool: x [%lld, %lld, %lld, %lld] holds no window of side %lld", (long long)a->batch,
                   (long long)a->height, (long long)a->width, (long long)a->channels, (long long)a->kernel);
  return XR_OK;
}

static void forward_span(const xr_max_pool *a, int64_t place, int64_t at, int64_t n) {
  const int64_t rows = xr_max_pool_size(a, a->height), columns = xr_max_pool_size(a, a->width);
  const int64_t b = place / (rows * columns), i = place / columns % rows, j = place % columns;
  const xr_window_range down = xr_window_inside(i, a->kernel, a->stride, a->pad, a->height);
  const xr_window_range across = xr_window_inside(j, a->kernel, a->stride, a->pad, a->width);
  float best[XR_SPAN], scratch[XR_SPAN];
  uint8_t *chosen = a->chosen + place * a->channels + at;
  bool first = true;
  for (int64_t u = down.first; u < down.end; u++) {
    for (int64_t v = across.first; v < across.end; v++) {
      const int64_t from = (b * a->height + i * a->stride - a->pad + u) * a->width + j * a->stride - a->pad + v;
      const float *x = xr_span_read(a->x, a->dtype, from * a->channels + at, n, scratch);
      const uint8_t here = (uint8_t)(u * a->kernel + v);
#pragma omp simd
      for (int64_t k = 0; k < n; k++) {
        const bool better = first || x[k] > best[k] || (x[k] != x[k] && best[k] == best[k]);
        best[k] = better ? x[k] : best[k];
        chosen[k] = better ? here : chosen[k];
      }
      first = false;
    }
  }
  xr_span_store(a->y, a->dtype, place * a->channels + at, n, best, false);
}

xr_status xr_max_pool_forward_cpu(const xr_max_pool *a) {
  XR_TRY(xr_max_pool_check(a));
  const int64_t places = a->batch * xr_max_pool_size(a, a->height) * xr_max_pool_size(a, a->width);
#pragma omp parallel for schedule(static)
  for (int64_t place = 0; place < places; place++)
    for (int64_t at = 0; at < a->channels; at += XR_SPAN) forward_span(a, place, at, xr_span_length(a->channels, at));
  return XR_OK;
}

static void backward_span(const xr_max_pool *a, int64_t place, int64_t at, int64_t n) {
  const int64_t rows = xr_max_pool_size(a, a->height), columns = xr_max_pool_size(a, a->width);
  const int64_t b = place / (a->height * a->width), y = place / a->width % a->height, x = place % a->width;
  const xr_window_range down = xr_windows_over(y, a->kernel, a->stride, a->pad, rows);
  const xr_window_range across = xr_windows_over(x, a->kernel, a->stride, a->pad, columns);
  float sum[XR_SPAN] = {0}, scratch[XR_SPAN];
  for (int64_t i = down.first; i < down.end; i++) {
    for (int64_t j = across.first; j < across.end; j++) {
      const int64_t from = ((b * rows + i) * columns + j) * a->channels + at;
      const uint8_t here = (uint8_t)((y + a->pad - i * a->stride) * a->kernel + x + a->pad - j * a->stride);
      const uint8_t *chosen = a->chosen + from;
      const float *dy = xr_span_read(a->dy, a->dtype, from, n, scratch);
#pragma omp simd
      for (int64_t k = 0; k < n; k++) sum[k] += chosen[k] == here ? dy[k] : 0;
    }
  }
  xr_span_store(a->dx, a->dtype, place * a->channels + at, n, sum, a->accumulate_dx);
}

xr_status xr_max_pool_backward_cpu(const xr_max_pool *a) {
  XR_TRY(xr_max_pool_check(a));
  const int64_t places = a->batch * a->height * a->width;
#pragma omp parallel for schedule(static)
  for (int64_t place = 0; place < places; place++)
    for (int64_t at = 0; at < a->channels; at += XR_SPAN) backward_span(a, place, at, xr_span_length(a->channels, at));
  return XR_OK;
}
