/* Largest values of windows on the device: a thread makes one piece of channels of one place, forward of y, backward of dx. */
#include "kernels/common/pieces.cuh"
#include "kernels/pool/max_pool.h"
#include "kernels/pool/windows.h"

namespace {

/* The windows and the maps' sides, for 32-bit divisions. */
struct windows {
  uint32_t height, width, rows, columns;
  int32_t kernel, stride, pad;
};

windows windows_of(const xr_max_pool *a) {
  return {(uint32_t)a->height,
          (uint32_t)a->width,
          (uint32_t)xr_max_pool_size(a, a->height),
          (uint32_t)xr_max_pool_size(a, a->width),
          (int32_t)a->kernel,
          (int32_t)a->stride,
          (int32_t)a->pad};
}

/* A piece's choices: one access where the piece is whole. */
template <int N> struct choices { uint8_t v[N]; };

template <int N> __device__ __forceinline__ choices<N> load_choices(const uint8_t *p, xr_extent e) {
  choices<N> out;
  if (e.wide) {
    memcpy(&out, __builtin_assume_aligned(p, N), N);
  } else {
#pragma unroll
    for (int k = 0; k < N; k++) out.v[k] = k < e.n ? p[k] : 0;
  }
  return out;
}

template <int N> __device__ __forceinline__ void store_choices(uint8_t *p, xr_extent e, const choices<N> &values) {
  if (e.wide) {
    memcpy(__builtin_assume_aligned(p, N), &values, N);
  } else {
#pragma unroll
    for (int k = 0; k < N; k++)
      if (k < e.n) p[k] = values.v[k];
  }
}

template <class T> struct forward_body {
  const T *x;
  T *y;
  uint8_t *chosen;
  windows w;
  int64_t channels;

  __device__ void operator()(int64_t place, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t line = (uint32_t)place / w.columns, j = (uint32_t)place - line * w.columns, b = line / w.rows, i = line - b * w.rows;
    const xr_window_range down = xr_window_inside(i, w.kernel, w.stride, w.pad, w.height);
    const xr_window_range across = xr_window_inside(j, w.kernel, w.stride, w.pad, w.width);
    const int64_t corner = ((int64_t)b * w.height + (int64_t)i * w.stride - w.pad) * w.width + (int64_t)j * w.stride - w.pad;
    xr_pack<N> best = xr_filled<N>(0.0f);
    choices<N> choice = {};
    bool first = true;
    for (int64_t u = down.first; u < down.end; u++) {
      for (int64_t v = across.first; v < across.end; v++) {
        const xr_pack<N> value = xr_piece_load<N>(x + (corner + u * w.width + v) * channels + at, e);
#pragma unroll
        for (int k = 0; k < N; k++) {
          if (first || value.v[k] > best.v[k] || (value.v[k] != value.v[k] && best.v[k] == best.v[k])) {
            best.v[k] = value.v[k];
            choice.v[k] = (uint8_t)(u * w.kernel + v);
          }
        }
        first = false;
      }
    }
    xr_piece_store(y + place * channels + at, e, best);
    store_choices<N>(chosen + place * channels + at, e, choice);
  }
};

template <class T> struct backward_body {
  const T *dy;
  T *dx;
  const uint8_t *chosen;
  windows w;
  int64_t channels;
  bool accumulate;

  __device__ void operator()(int64_t place, int64_t at, xr_extent e) const {
    constexpr int N = xr_vec_width<T>;
    const uint32_t line = (uint32_t)place / w.width, column = (uint32_t)place - line * w.width, b = line / w.height;
    const int32_t row = (int32_t)(line - b * w.height);
    const xr_window_range down = xr_windows_over(row, w.kernel, w.stride, w.pad, w.rows);
    const xr_window_range across = xr_windows_over(column, w.kernel, w.stride, w.pad, w.columns);
    xr_pack<N> sum = xr_filled<N>(0.0f);
    for (int64_t i = down.first; i < down.end; i++) {
      for (int64_t j = across.first; j < across.end; j++) {
        const int64_t from = (((int64_t)b * w.rows + i) * w.columns + j) * channels + at;
        const uint8_t here = (uint8_t)((row + w.pad - i * w.stride) * w.kernel + column + w.pad - j * w.stride);
        const xr_pack<N> gradient = xr_piece_load<N>(dy + from, e);
        const choices<N> choice = load_choices<N>(chosen + from, e);
#pragma unroll
        for (int k = 0; k < N; k++) sum.v[k] += choice.v[k] == here ? gradient.v[k] : 0.0f;
      }
    }
    xr_piece_store(dx + place * channels + at, e, sum, accumulate);
  }
};

} // namespace

xr_status xr_max_pool_forward_cuda(const xr_max_pool *a, xr_stream stream) {
  XR_TRY(xr_max_pool_check(a));
  return xr_for_dtype(a->dtype, "max_pool", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const windows w = windows_of(a);
    const forward_body<T> body = {(const T *)a->x, (T *)a->y, a->chosen, w, a->channels};
    return xr_for_pieces<N>("max_pool", body, a->batch * w.rows * w.columns, a->channels, a->channels % N == 0, stream);
  });
}

xr_status xr_max_pool_backward_cuda(const xr_max_pool *a, xr_stream stream) {
  XR_TRY(xr_max_pool_check(a));
  return xr_for_dtype(a->dtype, "max_pool", [&](auto element) {
    using T = decltype(element);
    constexpr int N = xr_vec_width<T>;
    const backward_body<T> body = {(const T *)a->dy, (T *)a->dx, a->chosen, windows_of(a), a->channels, a->accumulate_dx};
    return xr_for_pieces<N>("max_pool backward", body, a->batch * a->height * a->width, a->channels, a->channels % N == 0, stream);
  });
}
