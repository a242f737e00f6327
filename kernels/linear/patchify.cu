#include "kernels/linear/patchify.h"

#include "kernels/common/pieces.cuh"

namespace {

/* Over the lines of the patches, `patch` pixels each: the three channels of a piece's pixels are one contiguous read and three
 * contiguous writes. Row = ((b gh + i) gw + j) patch + u. */
template <class T> struct line_body {
  T *y;
  const T *x;
  uint32_t patch, rows, cols; /* rows, cols: patches down and across */
  int64_t height, width, stride;

  __device__ void operator()(int64_t row, int64_t v, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t place = (uint32_t)row / patch, u = (uint32_t)row - place * patch;
    const uint32_t strip = place / cols, j = place - strip * cols, b = strip / rows, i = strip - b * rows;
    const T *from = x + ((b * height + i * stride + u) * width + j * stride + v) * XR_IMAGE_CHANNELS;
    const int64_t plane = (int64_t)patch * patch;
    T *to = y + place * XR_IMAGE_CHANNELS * plane + (int64_t)u * patch + v;
    const xr_pack<XR_IMAGE_CHANNELS *N> pixels = xr_piece_load<XR_IMAGE_CHANNELS * N>(
        from, {XR_IMAGE_CHANNELS * e.n, e.wide}); /* of element n: channel n % 3 */
#pragma unroll
    for (int c = 0; c < XR_IMAGE_CHANNELS; c++) {
      xr_pack<N> channel;
#pragma unroll
      for (int k = 0; k < N; k++) channel.v[k] = pixels.v[XR_IMAGE_CHANNELS * k + c];
      xr_piece_store(to + c * plane, e, channel);
    }
  }
};

} // namespace

xr_status xr_patchify_forward_cuda(const xr_patchify *a, xr_stream stream) {
  XR_TRY(xr_patchify_check(a));
  const int64_t rows = xr_patchify_rows(a), cols = xr_patchify_cols(a);
  return xr_for_dtype(a->dtype, "patchify", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const line_body<T> body = {(T *)a->y,      (const T *)a->x, (uint32_t)a->patch, (uint32_t)rows,
                               (uint32_t)cols, a->height,       a->width,           a->stride};
    const bool wide = a->patch % N == 0 && a->stride % N == 0 && a->width % N == 0;
    return xr_for_pieces<N>("patchify", body, a->batch * rows * cols * a->patch, a->patch, wide, stream);
  });
}
