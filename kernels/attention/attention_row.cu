/* The device's side of attention_row.h: a block for each sample, one head after the other; a warp for each key. */
#include "kernels/attention/attention_row.h"

#include "kernels/common/dtype.cuh"
#include "kernels/common/launch.h"
#include "kernels/common/math.h"
#include "kernels/common/reduce.cuh"

namespace {

constexpr int THREADS = 256, WARPS = THREADS / 32;

template <class T> __global__ void __launch_bounds__(THREADS) row_kernel(const xr_attention_row a) {
  __shared__ float score[XR_ATTENTION_ROW_MAX_KEYS], mean[XR_ATTENTION_ROW_MAX_KEYS];
  const int tokens = (int)a.tokens, depth = (int)a.head_dim, lane = threadIdx.x % 32;
  const int64_t width = a.heads * a.head_dim;
  const int index = a.index ? a.index[blockIdx.x] : 0;
  const bool legal = index >= 0 && index < tokens;
  const int query = legal ? index : 0, keys = a.index ? query + 1 : tokens;
  const T *sample = (const T *)a.qkv + (int64_t)blockIdx.x * tokens * 3 * width;
  for (int n = threadIdx.x; n < tokens; n += THREADS) mean[n] = 0;
  for (int h = 0; h < (int)a.heads; h++) {
    const T *q = sample + query * 3 * width + h * depth, *k = sample + width + h * depth;
    __syncthreads(); /* the last head's scores are used up */
    for (int n = threadIdx.x / 32; n < keys; n += WARPS) {
      float sum = 0;
      for (int d = lane; d < depth; d += 32) sum += xr_to_float(q[d]) * xr_to_float(k[n * 3 * width + d]);
      sum = xr_warp_sum(sum);
      if (lane == 0) score[n] = sum * rsqrtf((float)depth);
    }
    __syncthreads();
    float highest = -INFINITY, sum = 0;
    for (int n = threadIdx.x; n < keys; n += THREADS) highest = fmaxf(highest, score[n]);
    highest = xr_block_max<THREADS>(highest);
    for (int n = threadIdx.x; n < keys; n += THREADS) sum += xr_exp(score[n] - highest);
    sum = xr_block_sum<THREADS>(sum);
    for (int n = threadIdx.x; n < keys; n += THREADS) mean[n] += xr_exp(score[n] - highest) / sum / (float)a.heads;
  }
  float *row = a.row + (int64_t)blockIdx.x * tokens;
  for (int n = threadIdx.x; n < tokens; n += THREADS) row[n] = legal ? mean[n] : NAN;
}

} // namespace

xr_status xr_attention_row_forward_cuda(const xr_attention_row *a, xr_stream stream) {
  XR_TRY(xr_attention_row_check(a));
  return xr_for_dtype(a->dtype, "attention_row", [&](auto element) {
    return xr_launch("attention_row", row_kernel<decltype(element)>, a->batch, dim3(THREADS), 0, stream, *a);
  });
}
