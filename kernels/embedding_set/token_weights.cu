/* The device's side of token_weights.h: a block for each sample. Where all tokens of an element are summed, a warp takes an element; where
 * all elements of a token are, a thread takes a token. */
#include "kernels/embedding_set/token_weights.h"

#include "kernels/common/launch.h"
#include "kernels/common/math.h"
#include "kernels/common/reduce.cuh"
#include "kernels/embedding_set/rank_groups.h"

namespace {

constexpr int THREADS = 128, WARPS = THREADS / 32;

/* Tokens of sample b; less than 0 when its length is illegal. */
__device__ int end_of(const int32_t *length, int tokens) {
  if (!length) return tokens;
  const int end = length[blockIdx.x];
  return end > tokens ? -1 : end;
}

/* The log-sum-exp of a token's logits over the elements. */
__device__ float log_sum(const float *logits, int set) {
  float highest = logits[0], sum = 0;
  for (int k = 1; k < set; k++) highest = fmaxf(highest, logits[k]);
  for (int k = 0; k < set; k++) sum += xr_exp(logits[k] - highest);
  return highest + logf(sum);
}

__global__ void __launch_bounds__(THREADS) weights_kernel(const xr_token_weights a) {
  const int tokens = (int)a.tokens, set = (int)a.set, end = end_of(a.length, tokens);
  const bool shares = a.kind == XR_WEIGHTS_SHARES;
  const int columns = shares ? set + 1 : set;
  const float *logits = a.logits + (int64_t)blockIdx.x * tokens * columns;
  float *w = a.weights + (int64_t)blockIdx.x * tokens * set;
  for (int n = threadIdx.x; n < tokens; n += THREADS) {
    const float *row = logits + n * columns;
    const float added = n < end && shares ? row[set] - log_sum(row, set) : 0;
    for (int k = 0; k < set; k++) w[n * set + k] = n < end ? row[k] + added : end < 0 ? NAN : 0;
  }
  __syncthreads();
  if (end <= 0) return;
  for (int k = threadIdx.x / 32; k < set; k += WARPS) {
    float highest = -INFINITY, sum = 0;
    for (int n = threadIdx.x % 32; n < end; n += 32) highest = fmaxf(highest, w[n * set + k]);
    highest = xr_warp_max(highest);
    for (int n = threadIdx.x % 32; n < end; n += 32) sum += w[n * set + k] = xr_exp(w[n * set + k] - highest);
    sum = xr_warp_sum(sum);
    for (int n = threadIdx.x % 32; n < end; n += 32) w[n * set + k] /= sum;
  }
}

__global__ void __launch_bounds__(THREADS) backward_kernel(const xr_token_weights a) {
  __shared__ float mean[XR_MAX_SET_SIZE];
  const int tokens = (int)a.tokens, set = (int)a.set, end = end_of(a.length, tokens);
  const bool shares = a.kind == XR_WEIGHTS_SHARES;
  const int columns = shares ? set + 1 : set;
  const float *logits = a.logits + (int64_t)blockIdx.x * tokens * columns;
  const float *w = a.weights + (int64_t)blockIdx.x * tokens * set, *g = a.dweights + (int64_t)blockIdx.x * tokens * set;
  float *d = a.dlogits + (int64_t)blockIdx.x * tokens * columns;
  for (int k = threadIdx.x / 32; k < set; k += WARPS) {
    float sum = 0;
    for (int n = threadIdx.x % 32; n < end; n += 32) sum += w[n * set + k] * g[n * set + k];
    sum = xr_warp_sum(sum);
    if (threadIdx.x % 32 == 0) mean[k] = sum;
  }
  __syncthreads();
  for (int n = threadIdx.x; n < tokens; n += THREADS) {
    float sum = 0;
    for (int k = 0; k < set && n < end; k++) sum += w[n * set + k] * (g[n * set + k] - mean[k]);
    const float level = n < end && shares ? log_sum(logits + n * columns, set) : 0;
    for (int k = 0; k < columns; k++) {
      float value = end < 0 ? NAN : 0;
      if (n < end) value = k == set ? sum : w[n * set + k] * (g[n * set + k] - mean[k]);
      if (n < end && shares && k < set) value -= xr_exp(logits[n * columns + k] - level) * sum;
      float *to = d + n * columns + k;
      *to = a.accumulate_dlogits ? *to + value : value;
    }
  }
}

__global__ void __launch_bounds__(THREADS) ranks_kernel(const xr_rank_weights a) {
  __shared__ float score[XR_TOKEN_WEIGHTS_MAX_TOKENS];
  const int tokens = (int)a.tokens, set = (int)a.set, end = end_of(a.length, tokens), m = end < 0 ? 0 : xr_chosen(a.ratio, end);
  for (int n = threadIdx.x; n < end; n += THREADS) score[n] = a.score[(int64_t)blockIdx.x * tokens + n];
  __syncthreads();
  for (int n = threadIdx.x; n < tokens; n += THREADS) {
    int rank = n < end ? 0 : m;
    for (int j = 0; j < end && n < end; j++) rank += j != n && xr_ranks_before(score[j], j, score[n], n);
    float *w = a.weights + ((int64_t)blockIdx.x * tokens + n) * set;
    for (int k = 0; k < set; k++) w[k] = end < 0 ? NAN : xr_rank_weight(rank, k, set, m);
  }
}

} // namespace

xr_status xr_token_weights_forward_cuda(const xr_token_weights *a, xr_stream stream) {
  XR_TRY(xr_token_weights_check(a));
  return xr_launch("token_weights", weights_kernel, a->batch, dim3(THREADS), 0, stream, *a);
}

xr_status xr_token_weights_backward_cuda(const xr_token_weights *a, xr_stream stream) {
  XR_TRY(xr_token_weights_check(a));
  return xr_launch("token_weights backward", backward_kernel, a->batch, dim3(THREADS), 0, stream, *a);
}

xr_status xr_rank_weights_forward_cuda(const xr_rank_weights *a, xr_stream stream) {
  XR_TRY(xr_rank_weights_check(a));
  return xr_launch("rank_weights", ranks_kernel, a->batch, dim3(THREADS), 0, stream, *a);
}
