/* out (+)= factor * in, elementwise, between any two dtypes: all that scale and cast do, and the backward pass of losses whose gradient was
 * made in forward. */
#pragma once

#include "kernels/common/pieces.cuh"

/* A number, or one that lies in device memory. */
struct xr_factor {
  float value;
  const float *at; /* NULL: value */

  xr_factor(float v) : value(v), at(nullptr) {}
  xr_factor(const float *p) : value(0), at(p) {}
  __device__ __forceinline__ float operator()() const { return at ? *at : value; }
};

template <class Out, class In> struct xr_scaled_copy_body {
  Out *out;
  const In *in;
  xr_factor factor;
  bool accumulate;

  __device__ void operator()(int64_t, int64_t at, xr_extent e) const {
    constexpr int N = xr_piece_width<Out, In>;
    const float f = factor();
    xr_pack<N> x = xr_piece_load<N>(in + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) x.v[i] *= f;
    xr_piece_store(out + at, e, x, accumulate);
  }
};

/* `out` may be the memory of `in` when they have the same dtype. */
static inline xr_status xr_scaled_copy_cuda(const char *name, void *out, xr_dtype out_dtype, bool accumulate, xr_factor factor,
                                            const void *in, xr_dtype in_dtype, int64_t count, xr_stream stream) {
  return xr_for_dtype(out_dtype, name, [&](auto out_element) {
    return xr_for_dtype(in_dtype, name, [&](auto in_element) {
      using Out = decltype(out_element);
      using In = decltype(in_element);
      const xr_scaled_copy_body<Out, In> body = {(Out *)out, (const In *)in, factor, accumulate};
      return xr_for_elements<xr_piece_width<Out, In>>(name, body, count, stream);
    });
  });
}
