#include "kernels/conv/token_conv.h"

#include "kernels/common/column_sum.cuh"

namespace {

enum { RUN = 4 }; /* tokens that a thread makes with the taps it has read */

/* End of sample b's tokens; less than 0 when its length is illegal. */
__device__ int64_t end_of(const int32_t *length, int64_t b, int64_t tokens) {
  if (!length) return tokens;
  return length[b] > tokens ? -1 : length[b];
}

__device__ float weight_at(const void *weight, bool bf16, int64_t i) {
  return bf16 ? xr_to_float(((const __nv_bfloat16 *)weight)[i]) : ((const float *)weight)[i];
}

/* out (+)= the sum over k of tap k times the token k - K / 2 further on; the gradient of x is that of dy with the taps in reverse order.
 * A row of xr_for_pieces is a run of RUN tokens. */
template <int K, class T> struct filter_body {
  T *out;
  const T *in;
  const void *weight;
  bool bf16_weight, reverse, accumulate;
  const int32_t *length;
  int64_t tokens, width;
  uint32_t runs; /* of a sample */

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t b = (uint32_t)row / runs, run = (uint32_t)row - b * runs;
    const int64_t end = end_of(length, b, tokens), base = (int64_t)b * tokens * width + at;
    const int64_t first = (int64_t)run * RUN, stop = first + RUN < tokens ? first + RUN : tokens, valid = end < stop ? end : stop;
    float tap[K][N];
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
      for (int i = 0; i < N; i++) tap[k][i] = i < e.n ? weight_at(weight, bf16_weight, (at + i) * K + (reverse ? K - 1 - k : k)) : 0.0f;
#pragma unroll 1
    for (int64_t t = first; t < valid; t++) {
      xr_pack<N> sum = xr_filled<N>(0.0f);
#pragma unroll
      for (int k = 0; k < K; k++) {
        const int64_t source = t + k - K / 2;
        if (source < 0 || source >= end) continue;
        const xr_pack<N> x = xr_piece_load<N>(in + base + source * width, e);
#pragma unroll
        for (int i = 0; i < N; i++) sum.v[i] += tap[k][i] * x.v[i];
      }
      xr_piece_store(out + base + t * width, e, sum, accumulate);
    }
    if (accumulate && end >= 0) return;
#pragma unroll 1
    for (int64_t t = valid > first ? valid : first; t < stop; t++)
      xr_piece_store(out + base + t * width, e, xr_filled<N>(end < 0 ? NAN : 0.0f));
  }
};

/* One partial sum of dweight, [K, D] each, by the blocks of one part: the part's tokens go round the XR_SUM_GROUPS warps, then the warps'
 * sums are added in order. */
template <int K, class T>
__global__ void __launch_bounds__(XR_SUM_LANES *XR_SUM_GROUPS)
    partial_kernel(float *partials, const T *dy, const T *x, const int32_t *length, int64_t batch, int64_t tokens, int64_t width,
                   int64_t each, uint32_t strips, bool wide) {
  constexpr int N = xr_vec_width<T>;
  __shared__ float shared[XR_SUM_GROUPS][N][XR_SUM_LANES];
  const uint32_t part = blockIdx.x / strips;
  const int64_t at = ((int64_t)(blockIdx.x - part * strips) * XR_SUM_LANES + threadIdx.x) * N;
  const xr_extent e = xr_extent_at<N>(at, width, wide);
  const int64_t last = (part + 1) * each < batch ? (part + 1) * each : batch;
  float sum[K][N] = {};
  for (int64_t b = part * each; b < last; b++) {
    const int64_t end = end_of(length, b, tokens), base = b * tokens * width + at;
    if (end < 0) {
#pragma unroll
      for (int k = 0; k < K; k++)
#pragma unroll
        for (int i = 0; i < N; i++) sum[k][i] = NAN;
    }
    for (int64_t t = threadIdx.y; t < end; t += XR_SUM_GROUPS) {
      const xr_pack<N> g = xr_piece_load<N>(dy + base + t * width, e);
#pragma unroll
      for (int k = 0; k < K; k++) {
        const int64_t source = t + k - K / 2;
        if (source < 0 || source >= end) continue;
        const xr_pack<N> from = xr_piece_load<N>(x + base + source * width, e);
#pragma unroll
        for (int i = 0; i < N; i++) sum[k][i] += g.v[i] * from.v[i];
      }
    }
  }
#pragma unroll
  for (int k = 0; k < K; k++) {
#pragma unroll
    for (int i = 0; i < N; i++) shared[threadIdx.y][i][threadIdx.x] = sum[k][i];
    __syncthreads();
    if (threadIdx.y == 0) {
      xr_pack<N> total;
#pragma unroll
      for (int i = 0; i < N; i++) total.v[i] = sum[k][i];
      for (int g = 1; g < XR_SUM_GROUPS; g++)
#pragma unroll
        for (int i = 0; i < N; i++) total.v[i] += shared[g][i][threadIdx.x];
      xr_piece_store(partials + ((int64_t)part * K + k) * width + at, e, total);
    }
    __syncthreads(); /* all have been read */
  }
}

/* dweight (+)= the partial sums [parts, K, D], in an order that their number gives; dweight is [D, K]. */
__global__ void __launch_bounds__(XR_SUM_LANES *XR_SUM_GROUPS)
    fold_kernel(float *dweight, bool accumulate, const float *partials, int64_t parts, int64_t taps, int64_t width, bool wide) {
  constexpr int N = xr_vec_width<float>;
  const int64_t at = ((int64_t)blockIdx.x * XR_SUM_LANES + threadIdx.x) * N, count = taps * width;
  const xr_extent e = xr_extent_at<N>(at, count, wide);
  const xr_pack<N> sum = xr_column_sum<N>(partials + at, count, parts, e);
  if (threadIdx.y != 0) return;
#pragma unroll
  for (int i = 0; i < N; i++) {
    if (i >= e.n) continue;
    float *to = dweight + (at + i) % width * taps + (at + i) / width;
    *to = accumulate ? *to + sum.v[i] : sum.v[i];
  }
}

template <int K> struct taps { static constexpr int count = K; };

/* Calls f(taps<K>()) for K = a->taps. */
template <class F> xr_status for_taps(const xr_token_conv *a, F &&f) {
  switch (a->taps) {
  case 1:
    return f(taps<1>());
  case 3:
    return f(taps<3>());
  case 5:
    return f(taps<5>());
  case 7:
    return f(taps<7>());
  default:
    return f(taps<XR_TOKEN_CONV_TAPS>());
  }
}

template <int K, class T>
xr_status filter(const char *name, const xr_token_conv *a, void *out, const void *in, bool reverse, bool accumulate, xr_stream stream) {
  constexpr int N = xr_vec_width<T>;
  const int64_t runs = xr_blocks(a->tokens, RUN);
  const filter_body<K, T> body = {(T *)out,  (const T *)in, a->weight,     a->weight_dtype == XR_BF16, reverse, accumulate, a->length,
                                  a->tokens, a->width,      (uint32_t)runs};
  return xr_for_pieces<N>(name, body, a->batch * runs, a->width, a->width % N == 0, stream);
}

template <int K, class T> xr_status weight_gradient(const xr_token_conv *a, xr_stream stream) {
  constexpr int N = xr_vec_width<T>;
  const uint32_t strips = xr_sum_strips<N>(a->width);
  const int64_t parts = xr_token_conv_parts(a->batch), count = a->taps * a->width;
  const dim3 threads(XR_SUM_LANES, XR_SUM_GROUPS);
  XR_TRY(xr_launch("token_conv dweight", partial_kernel<K, T>, parts * strips, threads, 0, stream, a->workspace, (const T *)a->dy,
                   (const T *)a->x, a->length, a->batch, a->tokens, a->width, xr_token_conv_each(a->batch), strips, a->width % N == 0));
  return xr_launch("token_conv dweight fold", fold_kernel, xr_sum_strips<xr_vec_width<float>>(count), threads, 0, stream, a->dweight,
                   a->accumulate_dweight, a->workspace, parts, a->taps, a->width, count % xr_vec_width<float> == 0);
}

/* f(taps<K>(), T()) */
template <class F> xr_status for_kernel(const xr_token_conv *a, F &&f) {
  return xr_for_dtype(a->dtype, "token_conv", [&](auto element) { return for_taps(a, [&](auto k) { return f(k, element); }); });
}

} // namespace

xr_status xr_token_conv_forward_cuda(const xr_token_conv *a, xr_stream stream) {
  XR_TRY(xr_token_conv_check(a));
  return for_kernel(
      a, [&](auto k, auto element) { return filter<k.count, decltype(element)>("token_conv", a, a->y, a->x, false, false, stream); });
}

xr_status xr_token_conv_backward_cuda(const xr_token_conv *a, xr_stream stream) {
  XR_TRY(xr_token_conv_check(a));
  return for_kernel(a, [&](auto k, auto element) {
    using T = decltype(element);
    if (a->dx) XR_TRY((filter<k.count, T>("token_conv dx", a, a->dx, a->dy, true, a->accumulate_dx, stream)));
    return a->dweight ? weight_gradient<k.count, T>(a, stream) : XR_OK;
  });
}
