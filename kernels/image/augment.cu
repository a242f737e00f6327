#include "kernels/image/augment.h"

#include "kernels/common/pieces.cuh"

namespace {

/* Over the rows of the images, 3 * width values each. The value of a channel: the divisions are those of the CPU, to the bit. */
template <class T> struct augment_body {
  xr_augment a;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t image = (uint32_t)row / (uint32_t)a.height, y = (uint32_t)row - image * (uint32_t)a.height;
    xr_augment_decision d = {};
    if (a.decisions) d = a.decisions[image];
    const int64_t width = a.width, from_y = (int64_t)y + d.crop_y;
    const uint8_t *line = from_y >= 0 && from_y < a.height ? a.pixels + (image * (int64_t)a.height + from_y) * width * 3 : nullptr;
    const bool erased_line = (int64_t)y >= d.erase_y && (int64_t)y < (int64_t)d.erase_y + d.erase_height;
    int32_t x = (int32_t)at / 3;
    int c = (int32_t)at - 3 * x;
    xr_pack<N> out;
#pragma unroll
    for (int i = 0; i < N; i++) {
      const int64_t shifted = (int64_t)x + d.crop_x, from_x = d.flip ? width - 1 - shifted : shifted;
      const uint8_t value = line && i < e.n && shifted >= 0 && shifted < width ? line[from_x * 3 + c] : 0;
      const bool erased = erased_line && x >= d.erase_x && (int64_t)x < (int64_t)d.erase_x + d.erase_width;
      out.v[i] = erased ? of(a.fill, c) : ((float)value / 255.0f - of(a.mean, c)) / of(a.std, c);
      x += c == 2;
      c = c == 2 ? 0 : c + 1;
    }
    xr_piece_store((T *)a.out + row * width * 3 + at, e, out);
  }

  /* values[c] without an index that is known only at run time, which would put the array into memory */
  static __device__ float of(const float values[3], int c) { return c == 0 ? values[0] : c == 1 ? values[1] : values[2]; }
};

} // namespace

xr_status xr_augment_forward_cuda(const xr_augment *a, xr_stream stream) {
  XR_TRY(xr_augment_forward_check(a));
  return xr_for_dtype(a->dtype, "augment", [&](auto element) {
    using T = decltype(element);
    const int64_t row_values = (int64_t)a->width * 3;
    return xr_for_pieces<xr_vec_width<T>>("augment", augment_body<T>{*a}, a->count * a->height, row_values,
                                          row_values % xr_vec_width<T> == 0, stream);
  });
}
