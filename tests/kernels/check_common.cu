#include "kernels/common/async_copy.cuh"
#include "kernels/common/launch.h"
#include "kernels/common/mma.cuh"
#include "kernels/common/reduce.cuh"
#include "kernels/common/shared.cuh"
#include "kernels/common/vec.cuh"
#include "tests/kernels/check_common.h"

namespace {

template <int W, class T> __global__ void vec_kernel(T *y, const T *x, int64_t count) {
  const int64_t i = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * W;
  if (i >= count) return;
  float v[W];
  xr_load(v, x + i);
  for (int j = 0; j < W; j++) v[j] += 1;
  xr_store(y + i, v);
}

__global__ void reduce_kernel(check_reduce a) {
  const float v = a.x[(int64_t)blockIdx.x * 256 + threadIdx.x];
  const float sum = xr_block_sum<256>(v), largest = xr_block_max<256>(v), smallest = xr_block_reduce<256>(v, xr_min());
  const float eight = xr_warp_sum<8>(v);
  if (threadIdx.x % 8 == 0) a.eights[(int64_t)blockIdx.x * 32 + threadIdx.x / 8] = eight;
  if (threadIdx.x != 255) return;
  a.sum[blockIdx.x] = sum;
  a.largest[blockIdx.x] = largest;
  a.smallest[blockIdx.x] = smallest;
}

/* Two stages of a 16 x 16 tile of A and of B: while one is multiplied the next is on its way. */
template <bool ByRows> __global__ void __launch_bounds__(32) mma_kernel(check_mma a) {
  constexpr int tile = 16 * 16;
  __nv_bfloat16 *stage = xr_shared<__nv_bfloat16>();
  const int lane = (int)threadIdx.x;
  const int64_t m0 = (int64_t)blockIdx.y * 16, n0 = (int64_t)blockIdx.x * 16;
  const auto fetch = [&](int64_t k0, int turn) { /* a lane brings half a row of each tile */
                                                 const int row = lane / 2, half = lane % 2 * 8;
                                                 __nv_bfloat16 *to = stage + turn % 2 * 2 * tile + row * 16 + half;
                                                 const int64_t of_b = ByRows ? (k0 + row) * a.n + n0 + half : (n0 + row) * a.k + k0 + half;
                                                 xr_async_copy16(to, (const __nv_bfloat16 *)a.a + (m0 + row) * a.k + k0 + half, k0 < a.k);
                                                 xr_async_copy16(to + tile, (const __nv_bfloat16 *)a.b + of_b, k0 < a.k);
                                                 xr_async_commit();
  };
  float d[2][4] = {};
  fetch(0, 0);
  for (int64_t k0 = 0, turn = 0; k0 < a.k; k0 += 16, turn++) {
    if (k0 + 16 < a.k)
      fetch(k0 + 16, (int)turn + 1);
    else
      xr_async_commit();
    xr_async_wait<1>();
    __syncwarp();
    const __nv_bfloat16 *ta = stage + turn % 2 * 2 * tile, *tb = ta + tile;
    uint32_t fa[4], fb[4];
    xr_load_matrices(fa, ta + lane % 16 * 16 + lane / 16 * 8);
    /* matrices of B in the order (k 0-7, n 0-7), (k 8-15, n 0-7), (k 0-7, n 8-15), (k 8-15, n 8-15) */
    const int matrix = lane / 8, k = matrix % 2 * 8, n = matrix / 2 * 8;
    xr_load_matrices<ByRows>(fb, ByRows ? tb + (k + lane % 8) * 16 + n : tb + (n + lane % 8) * 16 + k);
    const uint32_t left[2] = {fb[0], fb[1]}, right[2] = {fb[2], fb[3]};
    xr_mma_16x8x16(d[0], fa, left);
    xr_mma_16x8x16(d[1], fa, right);
    __syncwarp(); /* all have read before the stage is filled again */
  }
  for (int side = 0; side < 2; side++)
    for (int i = 0; i < 4; i++) a.c[(m0 + lane / 4 + i / 2 * 8) * a.n + n0 + side * 8 + lane % 4 * 2 + i % 2] = d[side][i];
}

} // namespace

xr_status check_vec_cuda(const check_vec *a, xr_stream stream) {
  return xr_for_dtype(a->dtype, "vec", [&](auto element) {
    typedef decltype(element) T;
    constexpr int W = xr_vec_width<T>;
    const int64_t n = a->count - a->offset;
    const T *x = (const T *)a->x + a->offset;
    T *y = (T *)a->y + a->offset;
    if (xr_vec_fits<T>(n, x, y)) return xr_launch("vec", vec_kernel<W, T>, xr_blocks(n, 64 * W), 64, 0, stream, y, x, n);
    return xr_launch("vec", vec_kernel<1, T>, xr_blocks(n, 64), 64, 0, stream, y, x, n);
  });
}

xr_status check_reduce_cuda(const check_reduce *a, xr_stream stream) {
  return xr_launch("reduce", reduce_kernel, a->rows, 256, 0, stream, *a);
}

xr_status check_mma_cuda(const check_mma *a, xr_stream stream) {
  const xr_grid grid = {a->n / 16, a->m / 16, 1};
  const size_t shared = 2 * 2 * 16 * 16 * sizeof(xr_bf16);
  return a->b_by_rows ? xr_launch("mma", mma_kernel<true>, grid, 32, shared, stream, *a)
                      : xr_launch("mma", mma_kernel<false>, grid, 32, shared, stream, *a);
}
