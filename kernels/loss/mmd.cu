/* factors: a block takes 64 x 64 pairs of rows, a thread 4 x 4 of them; tiles below the diagonal are mirrored from those above.
 * gradient: a block makes 64 rows x 64 columns from all rows; the first block adds the loss. Both go through shared memory in chunks, and
 * both form differences, so neither is a product of matrices. */
#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/common/scaled_copy.cuh"
#include "kernels/loss/mmd_pair.h"

enum {
  TILE = 64,
  CHUNK = 32,
  SIDE = 16, /* threads along a side of a tile; a thread has every SIDE-th row and column */
  EACH = TILE / SIDE,
  THREADS = SIDE * SIDE,
  STRIDE = CHUNK + 1
};

static __device__ __forceinline__ const float *row_at(const xr_mmd &a, int64_t row) {
  return row < a.rows[0] ? a.x[0] + row * a.width : a.x[1] + (row - a.rows[0]) * a.width;
}

/* Columns at .. at + CHUNK-1 of the rows first .. first + TILE-1, 0 where there are none. */
static __device__ __forceinline__ void load_rows(const xr_mmd &a, float *to, int64_t first, int64_t rows, int64_t at) {
  const int column = threadIdx.x % CHUNK;
#pragma unroll
  for (int k = 0; k < TILE; k += THREADS / CHUNK) {
    const int r = k + threadIdx.x / CHUNK;
    to[r * STRIDE + column] = first + r < rows && at + column < a.width ? row_at(a, first + r)[at + column] : 0;
  }
}

static __global__ void __launch_bounds__(THREADS)
    factors_kernel(const xr_mmd a, const xr_mmd_weights weights, float *factor, double *sums) {
  __shared__ float left[TILE * STRIDE], right[TILE * STRIDE];
  const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
  const int64_t rows = a.rows[0] + a.rows[1], i0 = (int64_t)blockIdx.y * TILE, j0 = (int64_t)blockIdx.x * TILE;
  double *out = sums + (int64_t)blockIdx.y * gridDim.x + blockIdx.x;
  if (i0 > j0) {
    if (threadIdx.x == 0) *out = 0;
    return;
  }
  float square[EACH][EACH] = {};
  for (int64_t at = 0; at < a.width; at += CHUNK) {
    __syncthreads();
    load_rows(a, left, i0, rows, at);
    load_rows(a, right, j0, rows, at);
    __syncthreads();
#pragma unroll 8
    for (int d = 0; d < CHUNK; d++) {
      float l[EACH], r[EACH];
#pragma unroll
      for (int k = 0; k < EACH; k++) {
        l[k] = left[(ty + k * SIDE) * STRIDE + d];
        r[k] = right[(tx + k * SIDE) * STRIDE + d];
      }
#pragma unroll
      for (int p = 0; p < EACH; p++)
#pragma unroll
        for (int q = 0; q < EACH; q++) square[p][q] += (l[p] - r[q]) * (l[p] - r[q]);
    }
  }
  double sum = 0;
#pragma unroll
  for (int p = 0; p < EACH; p++)
#pragma unroll
    for (int q = 0; q < EACH; q++) {
      const int64_t i = i0 + ty + p * SIDE, j = j0 + tx + q * SIDE;
      if (i >= rows || j >= rows) continue;
      float f;
      sum += (double)xr_mmd_pair(a.options, xr_mmd_weight(&weights, i, j), square[p][q], &f);
      factor[i * rows + j] = f;
      if (i0 < j0) factor[j * rows + i] = f;
    }
  sum = xr_block_sum<THREADS>(sum);
  if (threadIdx.x == 0) *out = i0 < j0 ? 2 * sum : sum;
}

static __device__ void add_loss(const xr_mmd &a, const double *sums, int64_t count) {
  double total = 0;
  for (int64_t k = threadIdx.x; k < count; k += THREADS) total += sums[k];
  total = xr_block_sum<THREADS>(total);
  if (threadIdx.x == 0) a.loss[0] = (float)total;
}

static __global__ void __launch_bounds__(THREADS) gradient_kernel(const xr_mmd a, const float *factor, const double *sums) {
  __shared__ float f[TILE * STRIDE], other[CHUNK * TILE];
  const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
  const int64_t rows = a.rows[0] + a.rows[1], i0 = (int64_t)blockIdx.y * TILE, c0 = (int64_t)blockIdx.x * TILE;
  if (blockIdx.x == 0 && blockIdx.y == 0) add_loss(a, sums, (int64_t)gridDim.y * gridDim.y);
  float own[EACH][EACH], sum[EACH][EACH] = {};
#pragma unroll
  for (int p = 0; p < EACH; p++)
#pragma unroll
    for (int q = 0; q < EACH; q++) {
      const int64_t i = i0 + ty + p * SIDE, c = c0 + tx + q * SIDE;
      own[p][q] = i < rows && c < a.width ? row_at(a, i)[c] : 0;
    }
  for (int64_t j0 = 0; j0 < rows; j0 += CHUNK) {
    __syncthreads();
    for (int k = threadIdx.x; k < TILE * CHUNK; k += THREADS) {
      const int64_t i = i0 + k / CHUNK, j = j0 + k % CHUNK;
      f[k / CHUNK * STRIDE + k % CHUNK] = i < rows && j < rows ? factor[i * rows + j] : 0;
      const int64_t from = j0 + k / TILE, c = c0 + k % TILE;
      other[k] = from < rows && c < a.width ? row_at(a, from)[c] : 0;
    }
    __syncthreads();
#pragma unroll 8
    for (int j = 0; j < CHUNK; j++) {
      float g[EACH], z[EACH];
#pragma unroll
      for (int k = 0; k < EACH; k++) {
        g[k] = f[(ty + k * SIDE) * STRIDE + j];
        z[k] = other[j * TILE + tx + k * SIDE];
      }
#pragma unroll
      for (int p = 0; p < EACH; p++)
#pragma unroll
        for (int q = 0; q < EACH; q++) sum[p][q] += g[p] * (own[p][q] - z[q]);
    }
  }
#pragma unroll
  for (int p = 0; p < EACH; p++)
#pragma unroll
    for (int q = 0; q < EACH; q++) {
      const int64_t i = i0 + ty + p * SIDE, c = c0 + tx + q * SIDE;
      if (i >= rows || c >= a.width) continue;
      (i < a.rows[0] ? a.gradient[0] + i * a.width : a.gradient[1] + (i - a.rows[0]) * a.width)[c] = sum[p][q];
    }
}

extern "C" xr_status xr_mmd_forward_cuda(const xr_mmd *a, xr_stream stream) {
  XR_TRY(xr_mmd_check(a));
  const int64_t tiles = xr_blocks(xr_mmd_rows(a), TILE);
  XR_TRY(xr_launch("mmd", factors_kernel, xr_grid{tiles, tiles, 1}, THREADS, 0, stream, *a, xr_mmd_weights_of(a), xr_mmd_factors(a),
                   xr_mmd_sums(a)));
  return xr_launch("mmd gradient", gradient_kernel, xr_grid{xr_blocks(a->width, TILE), tiles, 1}, THREADS, 0, stream, *a, xr_mmd_factors(a),
                   xr_mmd_sums(a));
}

extern "C" xr_status xr_mmd_backward_cuda(const xr_mmd *a, xr_stream stream) {
  XR_TRY(xr_mmd_check(a));
  for (int side = 0; side < 2; side++)
    if (a->dx[side])
      XR_TRY(xr_scaled_copy_cuda("mmd backward", a->dx[side], XR_F32, a->accumulate_dx[side], a->dloss, a->gradient[side], XR_F32,
                                 a->rows[side] * a->width, stream));
  return XR_OK;
}
