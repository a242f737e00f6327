/* Layer normalisation on the device. A row is read once and stays in registers: one warp for a row of up to 1,024 elements, a block of
 * 256 threads for longer ones. The gradients of weight and bias are sums over rows in two steps of fixed order: each block adds the rows
 * it had (block b those of b, b + blocks, ..), then one thread for each column adds the blocks. */
#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/common/rows.h"
#include "kernels/common/shared.cuh"
#include "kernels/common/vec.cuh"
#include "kernels/norm/layernorm.h"

namespace {

/* How a row lies over threads: thread t of Lanes holds elements (step * Lanes + t) * W + 0 .. W-1 for Steps steps. */
template <int Lanes_, int W_, int Steps_> struct layout {
  static constexpr int Lanes = Lanes_, W = W_, Steps = Steps_;
  static constexpr int threads = Lanes == 32 ? 128 : Lanes; /* of a block */
  static constexpr int rows = threads / Lanes;              /* at a time */
  static __device__ __forceinline__ int thread() { return (int)threadIdx.x % Lanes; }
  static __device__ __forceinline__ int row_in_block() { return (int)threadIdx.x / Lanes; }
  static __device__ __forceinline__ int column(int step) { return (step * Lanes + thread()) * W; }
  static __device__ __forceinline__ float sum(float v) {
    if constexpr (Lanes == 32)
      return xr_warp_sum(v);
    else
      return xr_block_sum<Lanes>(v);
  }
};

template <class L, class T> __global__ void __launch_bounds__(L::threads) forward_kernel(xr_layernorm a) {
  const int cols = (int)a.cols;
  const int64_t row = (int64_t)blockIdx.x * L::rows + L::row_in_block();
  if (row >= a.rows) return; /* a whole warp, or the whole block */
  const T *x = (const T *)a.x + row * cols, *residual = a.residual ? (const T *)a.residual + row * cols : nullptr;
  float s[L::Steps][L::W], total = 0;
#pragma unroll
  for (int k = 0; k < L::Steps; k++) {
    const int i = L::column(k);
    if (i >= cols) {
#pragma unroll
      for (int j = 0; j < L::W; j++) s[k][j] = 0;
      continue;
    }
    xr_load(s[k], x + i);
    if (residual) {
      float r[L::W];
      xr_load(r, residual + i);
#pragma unroll
      for (int j = 0; j < L::W; j++) s[k][j] += r[j];
      xr_store((T *)a.sum + row * cols + i, s[k]);
    }
#pragma unroll
    for (int j = 0; j < L::W; j++) total += s[k][j];
  }
  const float mean = L::sum(total) / (float)cols;
  float squares = 0;
#pragma unroll
  for (int k = 0; k < L::Steps; k++)
    if (L::column(k) < cols) {
#pragma unroll
      for (int j = 0; j < L::W; j++) squares += (s[k][j] - mean) * (s[k][j] - mean);
    }
  const float rstd = 1.0f / sqrtf(L::sum(squares) / (float)cols + a.eps);
#pragma unroll
  for (int k = 0; k < L::Steps; k++) {
    const int i = L::column(k);
    if (i >= cols) continue;
    float weight[L::W], bias[L::W];
    xr_load(weight, a.weight + i);
    xr_load(bias, a.bias + i);
#pragma unroll
    for (int j = 0; j < L::W; j++) s[k][j] = (s[k][j] - mean) * rstd * weight[j] + bias[j];
    xr_store((T *)a.y + row * cols + i, s[k]);
  }
  if (L::thread() == 0) {
    a.mean[row] = mean;
    a.rstd[row] = rstd;
  }
}

/* Adds the partial sums of the rows of a block, in the order of its warps, and stores them. */
template <class L> __device__ __forceinline__ void store_partial(float *out, int cols, const float (&partial)[L::Steps][L::W]) {
  float *shared = xr_shared<float>();
  for (int turn = 0; turn < L::rows; turn++) {
    if (L::row_in_block() == turn)
#pragma unroll
      for (int k = 0; k < L::Steps; k++) {
        const int i = L::column(k);
        if (i >= cols) continue;
        float sum[L::W] = {};
        if (turn > 0) xr_load(sum, shared + i);
#pragma unroll
        for (int j = 0; j < L::W; j++) sum[j] += partial[k][j];
        xr_store((turn == L::rows - 1 ? out : shared) + i, sum);
      }
    __syncthreads();
  }
}

template <class L, class T> __global__ void __launch_bounds__(L::threads, L::threads == 128 ? 2 : 1) backward_kernel(xr_layernorm a) {
  const int cols = (int)a.cols;
  float dweight[L::Steps][L::W] = {}, dbias[L::Steps][L::W] = {};
  for (int64_t first = (int64_t)blockIdx.x * L::rows; first < a.rows; first += (int64_t)gridDim.x * L::rows) {
    const int64_t row = first + L::row_in_block();
    if (row >= a.rows) break; /* a whole warp */
    const T *s = (const T *)a.x + row * cols, *dy = (const T *)a.dy + row * cols;
    const float mean = a.mean[row], rstd = a.rstd[row];
    float normal[L::Steps][L::W], g[L::Steps][L::W], sum_g = 0, sum_gn = 0;
#pragma unroll
    for (int k = 0; k < L::Steps; k++) {
      const int i = L::column(k);
      if (i >= cols) continue;
      float weight[L::W];
      xr_load(normal[k], s + i);
      xr_load(g[k], dy + i);
      xr_load(weight, a.weight + i);
#pragma unroll
      for (int j = 0; j < L::W; j++) {
        normal[k][j] = (normal[k][j] - mean) * rstd;
        dweight[k][j] += g[k][j] * normal[k][j];
        dbias[k][j] += g[k][j];
        g[k][j] *= weight[j];
        sum_g += g[k][j];
        sum_gn += g[k][j] * normal[k][j];
      }
    }
    if (!a.dx) continue;
    const float mean_g = L::sum(sum_g) / (float)cols, mean_gn = L::sum(sum_gn) / (float)cols;
#pragma unroll
    for (int k = 0; k < L::Steps; k++) {
      const int i = L::column(k);
      if (i >= cols) continue;
      float dx[L::W], more[L::W];
#pragma unroll
      for (int j = 0; j < L::W; j++) dx[j] = rstd * (g[k][j] - mean_g - normal[k][j] * mean_gn);
      if (a.dsum) {
        xr_load(more, (const T *)a.dsum + row * cols + i);
#pragma unroll
        for (int j = 0; j < L::W; j++) dx[j] += more[j];
      }
      if (a.accumulate_dx) {
        xr_load(more, (const T *)a.dx + row * cols + i);
#pragma unroll
        for (int j = 0; j < L::W; j++) dx[j] += more[j];
      }
      xr_store((T *)a.dx + row * cols + i, dx);
    }
  }
  float *partial = a.workspace + (int64_t)blockIdx.x * 2 * cols;
  store_partial<L>(partial, cols, dweight);
  store_partial<L>(partial + cols, cols, dbias);
}

/* One warp for 32 columns: dweight and dbias of them, over the blocks' partial sums in order. */
enum { FOLD_THREADS = 256, FOLD_ROWS = FOLD_THREADS / 32 };

__global__ void __launch_bounds__(FOLD_THREADS) fold_kernel(xr_layernorm a, int blocks) {
  __shared__ float partial[FOLD_ROWS][32];
  const int lane = (int)threadIdx.x % 32, part = (int)threadIdx.x / 32, width = 2 * (int)a.cols, i = (int)blockIdx.x * 32 + lane;
  float sum = 0;
  if (i < width)
    for (int b = part; b < blocks; b += FOLD_ROWS) sum += a.workspace[(int64_t)b * width + i];
  partial[part][lane] = sum;
  __syncthreads();
  if (part != 0 || i >= width) return;
  const bool weight = i < a.cols;
  float *out = weight ? a.dweight + i : a.dbias + (i - a.cols);
  float total = (weight ? a.accumulate_dweight : a.accumulate_dbias) ? *out : 0;
  for (int p = 0; p < FOLD_ROWS; p++) total += partial[p][lane];
  *out = total;
}

struct forward_pass {
  const xr_layernorm *a;
  xr_stream stream;
  template <class L, class T> xr_status run() const {
    return xr_launch("layernorm_forward", forward_kernel<L, T>, xr_blocks(a->rows, L::rows), L::threads, 0, stream, *a);
  }
};

struct backward_pass {
  const xr_layernorm *a;
  xr_stream stream;
  template <class L, class T> xr_status run() const {
    const int64_t most = XR_LAYERNORM_PARTIALS, all = xr_blocks(a->rows, L::rows), blocks = all < most ? all : most;
    XR_TRY(xr_launch("layernorm_backward", backward_kernel<L, T>, blocks, L::threads, L::rows > 1 ? (size_t)a->cols * sizeof(float) : 0,
                     stream, *a));
    return xr_launch("layernorm_backward_fold", fold_kernel, xr_blocks(2 * a->cols, 32), FOLD_THREADS, 0, stream, *a, blocks);
  }
};

/* The smallest layout that holds a row. */
template <class T, class Pass> xr_status with_layout(int64_t cols, bool wide, const Pass &pass) {
  constexpr int W = xr_vec_width<T>;
  if (!wide) {
    if (cols <= 1024) return pass.template run<layout<32, 1, 32>, T>();
    return pass.template run<layout<256, 1, 32>, T>();
  }
  if (cols <= 32 * 8) return pass.template run<layout<32, W, 8 / W>, T>();
  if (cols <= 32 * 16) return pass.template run<layout<32, W, 16 / W>, T>();
  if (cols <= 32 * 24) return pass.template run<layout<32, W, 24 / W>, T>();
  if (cols <= 32 * 32) return pass.template run<layout<32, W, 32 / W>, T>();
  if (cols <= 256 * 8) return pass.template run<layout<256, W, 8 / W>, T>();
  return pass.template run<layout<256, W, 32 / W>, T>();
}

template <class Pass> xr_status launch(const xr_layernorm *a, const char *name, const Pass &pass) {
  if (a->rows < 0 || a->cols < 1 || a->cols > XR_MAX_ROW)
    return xr_fail(XR_BAD_SHAPE, "layernorm: rows of %lld elements, 1 to %d are supported", (long long)a->cols, XR_MAX_ROW);
  return xr_for_dtype(a->dtype, name, [&](auto element) {
    typedef decltype(element) T;
    const bool wide = xr_vec_fits<T>(a->cols, a->x, a->residual, a->sum, a->y, a->dy, a->dsum, a->dx) &&
                      xr_vec_fits<float>(a->cols, a->weight, a->bias, a->workspace);
    return with_layout<T>(a->cols, wide, pass);
  });
}

} // namespace

xr_status xr_layernorm_forward_cuda(const xr_layernorm *a, xr_stream stream) { return launch(a, "layernorm", forward_pass{a, stream}); }
xr_status xr_layernorm_backward_cuda(const xr_layernorm *a, xr_stream stream) { return launch(a, "layernorm", backward_pass{a, stream}); }
