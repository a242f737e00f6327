#include "kernels/embedding/class_token.h"

#include "kernels/copy/runs.cuh"
#include "kernels/embedding/position_gradient.cuh"

namespace {

template <class T> struct forward_body {
  T *y;
  const T *x, *position;
  const float *class_token;
  uint32_t rows; /* of one sample: tokens + 1 */
  int64_t width;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t b = (uint32_t)row / rows, t = (uint32_t)row - b * rows;
    xr_pack<N> sum = xr_piece_load<N>(position + t * width + at, e);
    const xr_pack<N> token = t == 0 ? xr_piece_load<N>(class_token + at, e) : xr_piece_load<N>(x + (row - b - 1) * width + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) sum.v[i] += token.v[i];
    xr_piece_store(y + row * width + at, e, sum);
  }
};

} // namespace

xr_status xr_class_token_forward_cuda(const xr_class_token *a, xr_stream stream) {
  XR_TRY(xr_class_token_check(a));
  return xr_for_dtype(a->dtype, "class_token", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const forward_body<T> body = {(T *)a->y, (const T *)a->x, (const T *)a->position, a->class_token, (uint32_t)(a->tokens + 1), a->width};
    return xr_for_pieces<N>("class_token", body, a->batch * (a->tokens + 1), a->width, a->width % N == 0, stream);
  });
}

xr_status xr_class_token_backward_cuda(const xr_class_token *a, xr_stream stream) {
  XR_TRY(xr_class_token_check(a));
  const int64_t run = a->tokens * a->width; /* dx of one sample is one contiguous piece of dy */
  if (a->dx)
    XR_TRY(xr_copy_runs_cuda("class_token backward", {a->dx, 0, run}, a->accumulate_dx, {(void *)a->dy, a->width, run + a->width}, a->dtype,
                             a->batch, run, stream));
  return xr_sum_over_batch_cuda("class_token backward", a->dposition, a->accumulate_dposition, a->dclass_token, a->accumulate_dclass_token,
                                a->dy, a->dtype, a->batch, a->tokens + 1, a->width, stream);
}
