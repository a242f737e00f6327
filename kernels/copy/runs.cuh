/* runs.h for CUDA: copies of equally spaced contiguous runs. */
#pragma once

#include "kernels/common/pieces.cuh"

template <class T> struct xr_copy_runs_body {
  T *out;
  const T *in;
  int64_t out_stride, in_stride;
  bool accumulate;

  __device__ void operator()(int64_t run, int64_t at, xr_extent e) const {
    xr_piece_store(out + run * out_stride + at, e, xr_piece_load<xr_vec_width<T>>(in + run * in_stride + at, e), accumulate);
  }
};

/* Where runs are: run o starts at element offset + o * stride of `base`. */
struct xr_device_runs {
  void *base;
  int64_t offset, stride;
};

/* Each run of `out` (+)= the same run of `in`, `length` elements each. */
static inline xr_status xr_copy_runs_cuda(const char *name, xr_device_runs out, bool accumulate, xr_device_runs in, xr_dtype dtype,
                                          int64_t runs, int64_t length, xr_stream stream) {
  return xr_for_dtype(dtype, name, [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const xr_copy_runs_body<T> body = {(T *)out.base + out.offset, (const T *)in.base + in.offset, out.stride, in.stride, accumulate};
    const bool wide = out.offset % N == 0 && out.stride % N == 0 && in.offset % N == 0 && in.stride % N == 0;
    return xr_for_pieces<N>(name, body, runs, length, wide, stream);
  });
}
