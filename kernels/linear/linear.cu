/* The products are xr_gemm_cuda's; here is what happens to their rows before and after.
 *
 * Each thread owns W neighbouring columns and walks down a block of rows: the bias is read once, and a column's sum needs no exchange. */
#include "kernels/linear/linear.h"

#include "kernels/common/launch.h"
#include "kernels/common/vec.cuh"
#include "kernels/linear/linear_finish.h"
#include "kernels/linear/linear_products.h"

namespace {

constexpr int THREADS = 128, ROWS_AT_ONCE = 8;

__device__ __forceinline__ float activate(xr_activation_kind kind, float x) {
  switch (kind) {
  case XR_ACTIVATION_QUICK_GELU:
    return xr_quick_gelu(x);
  case XR_ACTIVATION_GELU:
    return xr_gelu(x);
  case XR_ACTIVATION_TANH:
    return xr_tanh(x);
  case XR_ACTIVATION_LOGISTIC:
    return xr_sigmoid(x);
  default:
    return x;
  }
}

__device__ __forceinline__ float slope(xr_activation_kind kind, float x) {
  switch (kind) {
  case XR_ACTIVATION_QUICK_GELU:
    return xr_quick_gelu_slope(x);
  case XR_ACTIVATION_GELU:
    return xr_gelu_slope(x);
  case XR_ACTIVATION_TANH:
    return xr_tanh_slope(x);
  case XR_ACTIVATION_LOGISTIC:
    return xr_sigmoid_slope(x);
  default:
    return 1.0f;
  }
}

/* ---- after the forward product */
template <class T, int W> __global__ void __launch_bounds__(THREADS) finish_kernel(const xr_linear_finish a) {
  const int64_t col = ((int64_t)blockIdx.y * THREADS + threadIdx.x) * W, first = (int64_t)blockIdx.x * ROWS_AT_ONCE;
  const int64_t end = first + ROWS_AT_ONCE < a.rows ? first + ROWS_AT_ONCE : a.rows;
  if (col >= a.cols) return;
  float bias[W] = {};
  if (a.bias) {
#pragma unroll
    for (int i = 0; i < W; i++) bias[i] = a.bias[col + i];
  }
#pragma unroll 4
  for (int64_t row = first; row < end; row++) {
    const int64_t at = row * a.ld + col;
    float v[W];
    xr_load(v, (const T *)a.product + at);
#pragma unroll
    for (int i = 0; i < W; i++) v[i] += bias[i];
    if (a.pre) xr_store((T *)a.pre + at, v);
#pragma unroll
    for (int i = 0; i < W; i++) v[i] = activate(a.activation, v[i]);
    xr_store((T *)a.y + at, v);
  }
}

template <class T, int W> xr_status finish(const xr_linear_finish *a, xr_stream stream) {
  const xr_grid grid = {xr_blocks(a->rows, ROWS_AT_ONCE), xr_blocks(a->cols, THREADS * W), 1};
  return xr_launch("linear", finish_kernel<T, W>, grid, dim3(THREADS), 0, stream, *a);
}

/* ---- before the backward products: dpre, and the sums of its columns over blocks of rows */
struct backward_rows {
  int64_t rows, cols, rows_per_block;
  const void *dy, *pre;
  void *dpre;      /* NULL: dy is what the products read */
  float *partials; /* [row blocks, cols] or NULL */
  xr_activation_kind activation;
};

template <class TY, class T, int W> __global__ void __launch_bounds__(THREADS) backward_kernel(const backward_rows a) {
  const int64_t col = ((int64_t)blockIdx.y * THREADS + threadIdx.x) * W, first = (int64_t)blockIdx.x * a.rows_per_block;
  const int64_t end = first + a.rows_per_block < a.rows ? first + a.rows_per_block : a.rows;
  if (col >= a.cols) return;
  float sum[W] = {};
#pragma unroll 4
  for (int64_t row = first; row < end; row++) {
    const int64_t at = row * a.cols + col;
    float v[W];
    xr_load(v, (const TY *)a.dy + at);
    if (a.activation != XR_ACTIVATION_NONE) {
      float pre[W];
      xr_load(pre, (const TY *)a.pre + at);
#pragma unroll
      for (int i = 0; i < W; i++) v[i] *= slope(a.activation, pre[i]);
    }
    if (a.dpre) xr_store((T *)a.dpre + at, v);
#pragma unroll
    for (int i = 0; i < W; i++) sum[i] += v[i];
  }
  if (a.partials) {
#pragma unroll
    for (int i = 0; i < W; i++) a.partials[(int64_t)blockIdx.x * a.cols + col + i] = sum[i];
  }
}

template <class TY, class T, int W> xr_status run_backward_rows(const backward_rows &a, xr_stream stream) {
  const xr_grid grid = {xr_linear_row_blocks(a.rows), xr_blocks(a.cols, THREADS * W), 1};
  return xr_launch("linear backward", backward_kernel<TY, T, W>, grid, dim3(THREADS), 0, stream, a);
}

/* ---- the sums of the blocks: 32 columns a block of threads, one in each lane; SUMMERS warps share the blocks of rows */
constexpr int SUMMERS = 8;

__global__ void __launch_bounds__(32 * SUMMERS)
    bias_kernel(const float *partials, int64_t blocks, int64_t cols, float *dbias, bool accumulate) {
  __shared__ float shared[SUMMERS][32];
  const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
  const int64_t col = (int64_t)blockIdx.x * 32 + lane, each = (blocks + SUMMERS - 1) / SUMMERS;
  const int64_t end = (warp + 1) * each < blocks ? (warp + 1) * each : blocks;
  float sum = 0;
  if (col < cols) {
#pragma unroll 8
    for (int64_t block = warp * each; block < end; block++) sum += partials[block * cols + col];
  }
  shared[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || col >= cols) return;
  float total = accumulate ? dbias[col] : 0.0f;
#pragma unroll
  for (int w = 0; w < SUMMERS; w++) total += shared[w][lane];
  dbias[col] = total;
}

xr_status backward(const xr_linear *a, xr_stream stream) {
  backward_rows k = {a->rows,
                     a->out,
                     xr_linear_rows_per_block(a->rows),
                     a->dy,
                     a->pre,
                     xr_linear_has_dpre(a) ? a->dpre : NULL,
                     a->dbias ? (float *)a->workspace : NULL,
                     a->activation};
  XR_TRY(xr_for_dtype(a->dtype, "linear", [&](auto element) {
    using T = decltype(element);
    return xr_for_dtype(a->y_dtype, "linear", [&](auto result) {
      using TY = decltype(result);
      constexpr int W = xr_vec_width < T >> xr_vec_width<TY> ? xr_vec_width<T> : xr_vec_width<TY>;
      if (a->out % W == 0 && xr_vec_fits<T>(a->out, (const char *)a->dy, (const char *)k.pre, (const char *)k.dpre))
        return run_backward_rows<TY, T, W>(k, stream);
      return run_backward_rows<TY, T, 1>(k, stream);
    });
  }));
  if (!a->dbias) return XR_OK;
  return xr_launch("linear dbias", bias_kernel, xr_blocks(a->out, 32), dim3(32 * SUMMERS), 0, stream, (const float *)a->workspace,
                   xr_linear_row_blocks(a->rows), a->out, a->dbias, a->accumulate_dbias);
}

} // namespace

xr_status xr_linear_finish_cuda(const xr_linear_finish *a, xr_stream stream) {
  return xr_for_dtype(a->dtype, "linear", [&](auto element) {
    using T = decltype(element);
    constexpr int W = xr_vec_width<T>;
    const bool rows_fit = a->rows < 2 || a->ld % W == 0;
    if (rows_fit && xr_vec_fits<T>(a->cols, (const char *)a->product, (const char *)a->pre, (const char *)a->y))
      return finish<T, W>(a, stream);
    return finish<T, 1>(a, stream);
  });
}

xr_status xr_linear_forward_cuda(const xr_linear *a, xr_stream stream) {
  XR_TRY(xr_linear_check(a));
  xr_gemm product = xr_linear_forward_product(a);
  const bool activates = a->activation != XR_ACTIVATION_NONE;
  product.activation = XR_ACTIVATION_NONE;
  product.pre = NULL;
  if (activates && a->pre) product.c = a->pre;
  XR_TRY(xr_gemm_cuda(&product, stream));
  if (!activates) return XR_OK;
  xr_linear_finish finish = {};
  finish.rows = a->rows;
  finish.cols = finish.ld = a->out;
  finish.dtype = a->y_dtype;
  finish.product = product.c;
  finish.activation = a->activation;
  finish.y = a->y;
  return xr_linear_finish_cuda(&finish, stream);
}

xr_status xr_linear_backward_cuda(const xr_linear *a, xr_stream stream) {
  XR_TRY(xr_linear_check_backward(a));
  if (xr_linear_has_dpre(a) || a->dbias) XR_TRY(backward(a, stream));
  const void *dpre = xr_linear_has_dpre(a) ? a->dpre : a->dy;
  if (a->dweight) {
    const xr_gemm product = xr_linear_dweight_product(a, dpre);
    XR_TRY(xr_gemm_cuda(&product, stream));
  }
  if (a->dx) {
    const xr_gemm product = xr_linear_dx_product(a, dpre);
    XR_TRY(xr_gemm_cuda(&product, stream));
  }
  return XR_OK;
}
