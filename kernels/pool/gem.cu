/* Generalised-mean pooling on the device: a block takes a strip of channels of one sample and all its places (column_sum.cuh). */
#include "kernels/common/column_sum.cuh"
#include "kernels/common/reduce.cuh"
#include "kernels/pool/gem.h"
#include "kernels/pool/gem_power.h"

namespace {

enum { FOLD_THREADS = 1024 };

__device__ __forceinline__ float power_of(const xr_gem &a) { return a.learned_power ? *a.learned_power : a.power; }

template <int N> __device__ __forceinline__ int64_t channel_of_thread() { return ((int64_t)blockIdx.x * XR_SUM_LANES + threadIdx.x) * N; }

template <class T> __global__ void __launch_bounds__(XR_SUM_LANES *XR_SUM_GROUPS) forward_kernel(xr_gem a, bool wide) {
  constexpr int N = xr_vec_width<T>;
  const int64_t channel = channel_of_thread<N>(), column = blockIdx.y * a.channels + channel;
  const xr_extent e = xr_extent_at<N>(channel, a.channels, wide);
  const float p = power_of(a);
  const T *x = (const T *)a.x + blockIdx.y * a.places * a.channels + channel;
  xr_pack<N> mean = xr_column_sum_of<N>(a.places, [&](int64_t place) {
    xr_pack<N> term = xr_piece_load<N>(x + place * a.channels, e);
#pragma unroll
    for (int k = 0; k < N; k++) term.v[k] = xr_gem_term(term.v[k], p);
    return term;
  });
  if (threadIdx.y != 0) return;
  xr_pack<N> y;
#pragma unroll
  for (int k = 0; k < N; k++) {
    mean.v[k] = mean.v[k] / (float)a.places + a.eps;
    y.v[k] = xr_gem_root(mean.v[k], p);
  }
  xr_piece_store(a.mean + column, e, mean);
  xr_piece_store(a.y + column, e, y);
}

template <class T> __global__ void __launch_bounds__(XR_SUM_LANES *XR_SUM_GROUPS) dx_kernel(xr_gem a, bool wide) {
  constexpr int N = xr_vec_width<T>;
  const int64_t channel = channel_of_thread<N>(), column = blockIdx.y * a.channels + channel;
  const xr_extent e = xr_extent_at<N>(channel, a.channels, wide);
  if (e.n == 0) return;
  const float p = power_of(a);
  const xr_pack<N> mean = xr_piece_load<N>(a.mean + column, e);
  xr_pack<N> factor = xr_piece_load<N>(a.dy + column, e);
#pragma unroll
  for (int k = 0; k < N; k++) factor.v[k] = factor.v[k] * xr_gem_root_slope(mean.v[k], p) / (float)a.places;
  const int64_t sample = blockIdx.y * a.places * a.channels + channel;
  for (int64_t place = threadIdx.y; place < a.places; place += XR_SUM_GROUPS) {
    const int64_t at = sample + place * a.channels;
    xr_pack<N> dx = xr_piece_load<N>((const T *)a.x + at, e);
#pragma unroll
    for (int k = 0; k < N; k++) dx.v[k] = factor.v[k] * xr_gem_slope(dx.v[k], p);
    xr_piece_store((T *)a.dx + at, e, dx, a.accumulate_dx);
  }
}

template <class T> __global__ void __launch_bounds__(XR_SUM_LANES *XR_SUM_GROUPS) dpower_kernel(xr_gem a, bool wide) {
  constexpr int N = xr_vec_width<T>;
  const int64_t channel = channel_of_thread<N>(), column = blockIdx.y * a.channels + channel;
  const xr_extent e = xr_extent_at<N>(channel, a.channels, wide);
  const float p = power_of(a);
  const T *x = (const T *)a.x + blockIdx.y * a.places * a.channels + channel;
  xr_pack<N> slope = xr_column_sum_of<N>(a.places, [&](int64_t place) {
    xr_pack<N> term = xr_piece_load<N>(x + place * a.channels, e);
#pragma unroll
    for (int k = 0; k < N; k++) term.v[k] = xr_gem_log_term(term.v[k], p);
    return term;
  });
  if (threadIdx.y != 0) return;
  const xr_pack<N> mean = xr_piece_load<N>(a.mean + column, e), dy = xr_piece_load<N>(a.dy + column, e);
#pragma unroll
  for (int k = 0; k < N; k++) slope.v[k] = xr_gem_power_slope(dy.v[k], slope.v[k] / (float)a.places, mean.v[k], p);
  xr_piece_store(a.workspace + column, e, slope);
}

__global__ void __launch_bounds__(FOLD_THREADS) fold_kernel(xr_gem a) {
  double total = 0;
  for (int64_t i = threadIdx.x; i < a.batch * a.channels; i += FOLD_THREADS) total += (double)a.workspace[i];
  total = xr_block_sum<FOLD_THREADS>(total);
  if (threadIdx.x == 0) *a.dpower = (float)total + (a.accumulate_dpower ? *a.dpower : 0.0f);
}

template <class T> xr_status launch(const char *name, void (*kernel)(xr_gem, bool), const xr_gem *a, xr_stream stream) {
  constexpr int N = xr_vec_width<T>;
  const bool wide = a->channels % N == 0;
  return xr_launch(name, kernel, xr_grid{xr_sum_strips<N>(a->channels), a->batch, 1}, dim3(XR_SUM_LANES, XR_SUM_GROUPS), 0, stream, *a,
                   wide);
}

template <class T> xr_status backward(const xr_gem *a, xr_stream stream) {
  if (a->dx) XR_TRY(launch<T>("gem backward", dx_kernel<T>, a, stream));
  return a->dpower ? launch<T>("gem power", dpower_kernel<T>, a, stream) : XR_OK;
}

} // namespace

xr_status xr_gem_forward_cuda(const xr_gem *a, xr_stream stream) {
  XR_TRY(xr_gem_check(a));
  return xr_for_dtype(a->dtype, "gem", [&](auto element) {
    using T = decltype(element);
    return launch<T>("gem", forward_kernel<T>, a, stream);
  });
}

xr_status xr_gem_backward_cuda(const xr_gem *a, xr_stream stream) {
  XR_TRY(xr_gem_check(a));
  XR_TRY(xr_for_dtype(a->dtype, "gem", [&](auto element) { return backward<decltype(element)>(a, stream); }));
  return a->dpower ? xr_launch("gem fold", fold_kernel, 1, FOLD_THREADS, 0, stream, *a) : XR_OK;
}
