#include "kernels/elementwise/dropout.h"

#include "kernels/common/pieces.cuh"

namespace {

template <class T> struct masked_copy_body {
  T *out;
  const T *in;
  const xr_seed *seed;
  uint64_t node;
  float rate, factor;
  bool accumulate;

  __device__ void operator()(int64_t, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    xr_pack<N> x = xr_piece_load<N>(in + at, e);
#pragma unroll
    for (int block = 0; block < N / 4; block++) { /* `at` is a multiple of N, so of 4 */
      const xr_philox words = xr_seed_words(seed, node, (uint64_t)(at / 4 + block));
#pragma unroll
      for (int k = 0; k < 4; k++) {
        float &value = x.v[4 * block + k];
        value = xr_uniform(words.word[k]) >= rate ? factor * value : 0.0f;
      }
    }
    xr_piece_store(out + at, e, x, accumulate);
  }
};

xr_status masked_copy(const xr_dropout *a, void *out, bool accumulate, const void *in, xr_stream stream) {
  XR_TRY(xr_dropout_check(a));
  return xr_for_dtype(a->dtype, "dropout", [&](auto element) {
    using T = decltype(element);
    const masked_copy_body<T> body = {(T *)out, (const T *)in, a->seed, a->node, a->rate, 1 / (1 - a->rate), accumulate};
    return xr_for_elements<xr_vec_width<T>>("dropout", body, a->count, stream);
  });
}

} // namespace

xr_status xr_dropout_forward_cuda(const xr_dropout *a, xr_stream stream) { return masked_copy(a, a->y, false, a->x, stream); }

xr_status xr_dropout_backward_cuda(const xr_dropout *a, xr_stream stream) { return masked_copy(a, a->dx, a->accumulate_dx, a->dy, stream); }
