#include "kernels/common/spans.h"
#include "kernels/image/bilinear_axis.h"
#include "kernels/image/resize_bilinear.h"

xr_status xr_resize_bilinear_check(const xr_resize_bilinear *a) {
  if (a->batch >= 0 && a->channels >= 0 && a->height >= 1 && a->width >= 1 && a->out_height >= 1 && a->out_width >= 1) return XR_OK;
  return xr_fail(XR_BAD_SHAPE, "resize_bilinear: x [%lld, %lld, %lld, %lld] to %lld x %lld", (long long)a->batch, (long long)a->height,
                 (long long)a->width, (long long)a->channels, (long long)a->out_height, (long long)a->out_width);
}

static void forward_place(const xr_resize_bilinear *a, int64_t place) {
  const int64_t b = place / (a->out_height * a->out_width), c = a->channels;
  const xr_bilinear_place row = xr_bilinear_at(place / a->out_width % a->out_height, a->height, a->out_height);
  const xr_bilinear_place column = xr_bilinear_at(place % a->out_width, a->width, a->out_width);
  const float *top = a->x + (b * a->height + row.low) * a->width * c, *bottom = a->x + (b * a->height + row.high) * a->width * c;
  const int64_t left = column.low * c, right = column.high * c;
  const float t = row.t, u = column.t;
  float *y = a->y + place * c;
#pragma omp simd
  for (int64_t k = 0; k < c; k++)
    y[k] = (1 - t) * ((1 - u) * top[left + k] + u * top[right + k]) + t * ((1 - u) * bottom[left + k] + u * bottom[right + k]);
}

xr_status xr_resize_bilinear_forward_cpu(const xr_resize_bilinear *a) {
  XR_TRY(xr_resize_bilinear_check(a));
  const int64_t places = a->batch * a->out_height * a->out_width;
#pragma omp parallel for schedule(static)
  for (int64_t place = 0; place < places; place++) forward_place(a, place);
  return XR_OK;
}

static void backward_span(const xr_resize_bilinear *a, int64_t place, int64_t at, int64_t n) {
  const int64_t b = place / (a->height * a->width), y = place / a->width % a->height, x = place % a->width;
  const xr_bilinear_range rows = xr_bilinear_users(y, a->height, a->out_height);
  const xr_bilinear_range columns = xr_bilinear_users(x, a->width, a->out_width);
  float sum[XR_SPAN] = {0};
  for (int64_t i = rows.first; i < rows.end; i++) {
    const float down = xr_bilinear_weight(xr_bilinear_at(i, a->height, a->out_height), y);
    for (int64_t j = columns.first; j < columns.end; j++) {
      const float weight = down * xr_bilinear_weight(xr_bilinear_at(j, a->width, a->out_width), x);
      const float *dy = a->dy + ((b * a->out_height + i) * a->out_width + j) * a->channels + at;
#pragma omp simd
      for (int64_t k = 0; k < n; k++) sum[k] += weight * dy[k];
    }
  }
  xr_span_store(a->dx, XR_F32, place * a->channels + at, n, sum, a->accumulate_dx);
}

xr_status xr_resize_bilinear_backward_cpu(const xr_resize_bilinear *a) {
  XR_TRY(xr_resize_bilinear_check(a));
  const int64_t places = a->batch * a->height * a->width;
#pragma omp parallel for schedule(static)
  for (int64_t place = 0; place < places; place++)
    for (int64_t at = 0; at < a->channels; at += XR_SPAN) backward_span(a, place, at, xr_span_length(a->channels, at));
  return XR_OK;
}
