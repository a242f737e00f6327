#include "kernels/retrieval/unit_rows.h"

#include "kernels/common/reduce.cuh"
#include "kernels/retrieval/score_element.cuh"

namespace {

constexpr int THREADS = 256, WARPS = THREADS / 32;

/* A warp does a row; its lanes are the partial sums of the contract, and the pairs that xr_warp_sum adds are those of the contract. */
template <class T> __global__ void __launch_bounds__(THREADS) unit_kernel(xr_unit_rows a, int64_t x_stride, int64_t y_stride) {
  static_assert(XR_UNIT_LANES == 32, "a lane is a partial sum");
  const int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  if (row >= a.rows) return;
  const T *x = (const T *)a.x + row * x_stride;
  double square = 0;
  for (int64_t k = lane; k < a.width; k += 32) {
    const double v = (double)xr_to_float(x[k]);
    square += v * v;
  }
  square = xr_warp_sum(square);
  if (a.minus_half_squares && lane == 0) a.minus_half_squares[row] = (float)(-0.5 * square);
  if (!a.y) return;
  const float length = (float)sqrt(square), divisor = length < XR_UNIT_EPSILON ? XR_UNIT_EPSILON : length;
  float *y = a.y + row * y_stride;
  for (int64_t k = lane; k < a.width; k += 32) y[k] = xr_to_float(x[k]) / divisor;
}

} // namespace

xr_status xr_unit_rows_cuda(const xr_unit_rows *a, xr_stream stream) {
  XR_TRY(xr_unit_rows_check(a));
  return xr_for_score_dtype(a->dtype, [&](auto element) {
    return xr_launch("unit rows", unit_kernel<decltype(element)>, xr_blocks(a->rows, WARPS), THREADS, 0, stream, *a,
                     a->x_stride ? a->x_stride : a->width, a->y_stride ? a->y_stride : a->width);
  });
}
