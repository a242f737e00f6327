/* Two launches: a sum of squares for each chunk, then one block adds them and decides. Every order is fixed by the table alone. */
#include <math.h>

#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/optimizer/chunk.cuh"
#include "kernels/optimizer/global_norm.h"

enum { FINISH_THREADS = 1024 };

static __device__ __forceinline__ double square(float x) { return (double)x * (double)x; }

static __global__ void __launch_bounds__(XR_CHUNK_THREADS) sum_chunks_kernel(const xr_global_norm a) {
  const xr_chunk chunk = a.table.chunk[blockIdx.x];
  const float *gradient = a.gradient + chunk.offset;
  double sum = 0;
  int done = 0;
  if (xr_chunk_aligned(nullptr, gradient)) {
#pragma unroll 4
    for (int i = (int)threadIdx.x * 4; i + 4 <= chunk.count; i += XR_CHUNK_THREADS * 4) {
      float g[4];
      xr_load(g, gradient + i);
      sum += (square(g[0]) + square(g[1])) + (square(g[2]) + square(g[3]));
    }
    done = chunk.count / 4 * 4;
  }
  for (int i = done + (int)threadIdx.x; i < chunk.count; i += XR_CHUNK_THREADS) sum += square(gradient[i]);
  sum = xr_block_sum<XR_CHUNK_THREADS>(sum);
  if (threadIdx.x == 0) a.workspace[blockIdx.x] = sum;
}

/* Chunks are in the order of their segments: the first bad chunk lies in the first bad segment. */
static __global__ void __launch_bounds__(FINISH_THREADS) finish_kernel(const xr_global_norm a) {
  double total = 0;
  int first_bad = INT32_MAX;
  for (int64_t i = threadIdx.x; i < a.table.chunks; i += FINISH_THREADS) {
    const double sum = a.workspace[i];
    if (!isfinite(sum)) first_bad = min(first_bad, a.table.chunk[i].segment);
    total += sum;
  }
  total = xr_block_sum<FINISH_THREADS>(total);
  first_bad = xr_block_reduce<FINISH_THREADS>(first_bad, xr_min());
  if (threadIdx.x != 0) return;
  const bool bad = first_bad != INT32_MAX;
  const double norm = sqrt(total), limit = (double)a.max_norm / (norm + 1e-6);
  a.norm[0] = bad ? NAN : (float)norm;
  a.factor[0] = bad || (a.loss && !isfinite(a.loss[0])) ? NAN : a.max_norm > 0 && limit < 1 ? (float)limit : 1.0f;
  a.first_bad[0] = bad ? first_bad : -1;
}

extern "C" xr_status xr_global_norm_cuda(const xr_global_norm *a, xr_stream stream) {
  XR_TRY(xr_global_norm_check(a));
  XR_TRY(xr_launch("global_norm", sum_chunks_kernel, a->table.chunks, XR_CHUNK_THREADS, 0, stream, *a));
  return xr_launch("global_norm", finish_kernel, 1, FINISH_THREADS, 0, stream, *a);
}
