/* Bilinear resizing on the device: a thread makes one piece of channels of one pixel, forward of y, backward of dx. */
#include "kernels/common/pieces.cuh"
#include "kernels/image/bilinear_axis.h"
#include "kernels/image/resize_bilinear.h"

namespace {

constexpr int N = xr_vec_width<float>;

struct forward_body {
  xr_resize_bilinear a;

  __device__ void operator()(int64_t place, int64_t at, xr_extent e) const {
    const uint32_t columns = (uint32_t)a.out_width, line = (uint32_t)place / columns, rows = (uint32_t)a.out_height, b = line / rows;
    const xr_bilinear_place row = xr_bilinear_at(line - b * rows, a.height, a.out_height);
    const xr_bilinear_place column = xr_bilinear_at((uint32_t)place - line * columns, a.width, a.out_width);
    const float *top = a.x + (b * a.height + row.low) * a.width * a.channels + at;
    const float *bottom = a.x + (b * a.height + row.high) * a.width * a.channels + at;
    const int64_t left = column.low * a.channels, right = column.high * a.channels;
    const xr_pack<N> p = xr_piece_load<N>(top + left, e), q = xr_piece_load<N>(top + right, e);
    const xr_pack<N> r = xr_piece_load<N>(bottom + left, e), s = xr_piece_load<N>(bottom + right, e);
    const float t = row.t, u = column.t;
    xr_pack<N> y;
#pragma unroll
    for (int k = 0; k < N; k++) y.v[k] = (1 - t) * ((1 - u) * p.v[k] + u * q.v[k]) + t * ((1 - u) * r.v[k] + u * s.v[k]);
    xr_piece_store(a.y + place * a.channels + at, e, y);
  }
};

struct backward_body {
  xr_resize_bilinear a;

  __device__ void operator()(int64_t place, int64_t at, xr_extent e) const {
    const uint32_t width = (uint32_t)a.width, line = (uint32_t)place / width, height = (uint32_t)a.height, b = line / height;
    const int64_t y = line - b * height, x = (uint32_t)place - line * width;
    const xr_bilinear_range rows = xr_bilinear_users(y, a.height, a.out_height);
    const xr_bilinear_range columns = xr_bilinear_users(x, a.width, a.out_width);
    xr_pack<N> sum = xr_filled<N>(0.0f);
    for (int64_t i = rows.first; i < rows.end; i++) {
      const float down = xr_bilinear_weight(xr_bilinear_at(i, a.height, a.out_height), y);
      for (int64_t j = columns.first; j < columns.end; j++) {
        const float weight = down * xr_bilinear_weight(xr_bilinear_at(j, a.width, a.out_width), x);
        const xr_pack<N> dy = xr_piece_load<N>(a.dy + ((b * a.out_height + i) * a.out_width + j) * a.channels + at, e);
#pragma unroll
        for (int k = 0; k < N; k++) sum.v[k] += weight * dy.v[k];
      }
    }
    xr_piece_store(a.dx + place * a.channels + at, e, sum, a.accumulate_dx);
  }
};

} // namespace

xr_status xr_resize_bilinear_forward_cuda(const xr_resize_bilinear *a, xr_stream stream) {
  XR_TRY(xr_resize_bilinear_check(a));
  return xr_for_pieces<N>("resize_bilinear", forward_body{*a}, a->batch * a->out_height * a->out_width, a->channels, a->channels % N == 0,
                          stream);
}

xr_status xr_resize_bilinear_backward_cuda(const xr_resize_bilinear *a, xr_stream stream) {
  XR_TRY(xr_resize_bilinear_check(a));
  return xr_for_pieces<N>("resize_bilinear backward", backward_body{*a}, a->batch * a->height * a->width, a->channels, a->channels % N == 0,
                          stream);
}
