/* One block a row. The row is read once: while it passes, every thread keeps the largest logit so far and the sum of exponentials
 * relative to it, and its part of the row stays in shared memory for the gradient, where it fits (11,003 classes: 43 KiB in f32;
 * 49,408: 193 KiB; else it is read again, mostly from the L2 cache). Then the gradient is written. A second launch adds the rows. */
#include <math.h>

#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/common/scaled_copy.cuh"
#include "kernels/common/shared.cuh"
#include "kernels/loss/cross_entropy.h"

enum { SHORT_ROW = 4096, FEW_THREADS = 256, MANY_THREADS = 1024, REDUCTION_BYTES = 1024 };

/* A row as `vectors` aligned pieces of 16 bytes and what lies before and behind them: thread t works on the edge elements and the
 * vectors t, t + THREADS, .. in every pass, so that a pass may overwrite what only this thread reads. Tensors start at multiples of 16
 * bytes, so a row of logits and its gradient are cut alike. */
template <class T> struct row_cut {
  int head, vectors, edges;

  __device__ row_cut(const T *row, int classes) {
    head = min((int)((16 - (uintptr_t)row % 16) % 16 / sizeof(T)), classes);
    vectors = (classes - head) / xr_vec_width<T>;
    edges = classes - vectors * xr_vec_width<T>;
  }
  __device__ int edge(int i) const { return i < head ? i : i + vectors * xr_vec_width<T>; }
  __device__ int vector(int i) const { return head + i * xr_vec_width<T>; }
};

/* What a thread knows of the logits it has seen. */
struct seen {
  float largest, exponentials; /* the sum of e^(z - largest) */
  double plain;                /* the sum of z */

  template <int N> __device__ __forceinline__ void add(const float (&z)[N]) {
    float top = largest, sum = 0, total = 0;
#pragma unroll
    for (int k = 0; k < N; k++) top = fmaxf(top, z[k]);
    const float shift = top == -INFINITY ? 0.0f : top; /* nothing but -infinity so far: the sum is 0, not NaN */
#pragma unroll
    for (int k = 0; k < N; k++) {
      sum += expf(z[k] - shift);
      total += z[k];
    }
    exponentials = exponentials * expf(largest - shift) + sum;
    largest = top;
    plain += (double)total;
  }
};

struct row_gradient {
  float largest, inverse, floor, target, scale;
  int label;

  __device__ __forceinline__ float of(float z, int class_index) const {
    const float p = expf(z - largest) * inverse - floor;
    return (class_index == label ? p - target : p) * scale;
  }
};

/* The whole row is one value: 0 for a row that is left out, NaN for a label that no class has. */
template <class T, int THREADS> static __device__ void fill_row(T *row, int classes, float value) {
  if (!row) return;
  const row_cut<T> cut(row, classes);
  float values[xr_vec_width<T>];
#pragma unroll
  for (int k = 0; k < xr_vec_width<T>; k++) values[k] = value;
  for (int i = (int)threadIdx.x; i < cut.edges; i += THREADS) row[cut.edge(i)] = xr_from_float<T>(value);
  for (int i = (int)threadIdx.x; i < cut.vectors; i += THREADS) xr_store(row + cut.vector(i), values);
}

template <int THREADS> static __device__ double row_divisor(const xr_cross_entropy &a) {
  if (a.divisor > 0) return (double)a.divisor;
  int counted = 0;
  for (int64_t row = threadIdx.x; row < a.rows; row += THREADS) counted += a.labels[row] != -1;
  return (double)xr_block_sum<THREADS>(counted);
}

template <class T, int THREADS, bool CACHED> static __global__ void __launch_bounds__(THREADS) row_kernel(const xr_cross_entropy a) {
  const int classes = (int)a.classes, label = a.labels[blockIdx.x];
  const T *row = (const T *)a.logits + (int64_t)blockIdx.x * classes;
  T *gradient = a.gradient ? (T *)a.gradient + (int64_t)blockIdx.x * classes : nullptr;
  if (label < 0 || label >= classes) {
    fill_row<T, THREADS>(gradient, classes, label == -1 ? 0.0f : NAN);
    if (threadIdx.x == 0) a.row_loss[blockIdx.x] = label == -1 ? 0.0f : NAN;
    return;
  }
  const float label_logit = xr_to_float(row[label]); /* read by all before the reductions, so before anything is overwritten */
  const row_cut<T> cut(row, classes);
  T *cache = xr_shared<T>();
  seen mine = {-INFINITY, 0, 0};
  for (int i = (int)threadIdx.x; i < cut.edges; i += THREADS) {
    const float z[1] = {xr_to_float(row[cut.edge(i)])};
    mine.add(z);
  }
#pragma unroll 2
  for (int i = (int)threadIdx.x; i < cut.vectors; i += THREADS) {
    float z[xr_vec_width<T>];
    xr_load(z, row + cut.vector(i));
    if (CACHED) xr_store(cache + i * xr_vec_width<T>, z);
    mine.add(z);
  }
  const float largest = xr_block_max<THREADS>(mine.largest);
  const float rescale = expf(mine.largest - largest);
  const double exponentials = xr_block_sum<THREADS>((double)mine.exponentials * (double)rescale);
  const double plain = a.smoothing > 0 ? xr_block_sum<THREADS>(mine.plain) : 0;
  if (threadIdx.x == 0) {
    const double e = (double)a.smoothing;
    double loss = log(exponentials) - (1 - e) * ((double)label_logit - (double)largest);
    if (e > 0) loss -= e / (double)classes * (plain - (double)classes * (double)largest);
    a.row_loss[blockIdx.x] = (float)loss;
  }
  if (!gradient) return;
  const row_gradient g = {
      largest, (float)(1 / exponentials), a.smoothing / (float)classes, 1 - a.smoothing, (float)(1 / row_divisor<THREADS>(a)), label};
  for (int i = (int)threadIdx.x; i < cut.edges; i += THREADS) {
    const int at = cut.edge(i);
    gradient[at] = xr_from_float<T>(g.of(xr_to_float(row[at]), at));
  }
#pragma unroll 2
  for (int i = (int)threadIdx.x; i < cut.vectors; i += THREADS) {
    const int at = cut.vector(i);
    float z[xr_vec_width<T>];
    xr_load(z, CACHED ? cache + i * xr_vec_width<T> : row + at);
#pragma unroll
    for (int k = 0; k < xr_vec_width<T>; k++) z[k] = g.of(z[k], at + k);
    xr_store(gradient + at, z);
  }
}

static __global__ void __launch_bounds__(MANY_THREADS) loss_kernel(const xr_cross_entropy a) {
  double total = 0;
  int counted = 0;
  for (int64_t row = threadIdx.x; row < a.rows; row += MANY_THREADS) {
    total += (double)a.row_loss[row];
    counted += a.labels[row] != -1;
  }
  total = xr_block_sum<MANY_THREADS>(total);
  counted = xr_block_sum<MANY_THREADS>(counted);
  if (threadIdx.x == 0) a.loss[0] = counted ? (float)(total / (a.divisor > 0 ? (double)a.divisor : (double)counted)) : 0.0f;
}

/* Whether a block can keep `bytes` beside what the reductions need. */
static xr_status fits_in_shared(size_t bytes, bool *fits) {
  int device, most;
  XR_TRY(xr_cuda_status(cudaGetDevice(&device), "cross_entropy"));
  XR_TRY(xr_cuda_status(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "cross_entropy"));
  *fits = bytes + REDUCTION_BYTES <= (size_t)most;
  return XR_OK;
}

template <class T, int THREADS> static xr_status launch_rows(const xr_cross_entropy *a, xr_stream stream) {
  const size_t bytes = (size_t)a->classes * sizeof(T) / 16 * 16;
  bool cached;
  XR_TRY(fits_in_shared(bytes, &cached));
  return cached && a->gradient ? xr_launch("cross_entropy", row_kernel<T, THREADS, true>, a->rows, THREADS, bytes, stream, *a)
                               : xr_launch("cross_entropy", row_kernel<T, THREADS, false>, a->rows, THREADS, 0, stream, *a);
}

extern "C" xr_status xr_cross_entropy_forward_cuda(const xr_cross_entropy *a, xr_stream stream) {
  XR_TRY(xr_cross_entropy_check(a));
  XR_TRY(xr_for_dtype(a->dtype, "cross_entropy", [&](auto element) {
    typedef decltype(element) T;
    return a->classes <= SHORT_ROW ? launch_rows<T, FEW_THREADS>(a, stream) : launch_rows<T, MANY_THREADS>(a, stream);
  }));
  return xr_launch("cross_entropy", loss_kernel, 1, MANY_THREADS, 0, stream, *a);
}

extern "C" xr_status xr_cross_entropy_backward_cuda(const xr_cross_entropy *a, xr_stream stream) {
  XR_TRY(xr_cross_entropy_check(a));
  return xr_scaled_copy_cuda("cross_entropy", a->dlogits, a->dtype, a->accumulate_dlogits, a->dloss, a->gradient, a->dtype,
                             a->rows * a->classes, stream);
}
