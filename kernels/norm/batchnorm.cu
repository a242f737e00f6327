/* Batch normalisation on the device. Every pass over the rows has the same frame: a block takes a strip of columns and a chunk of rows, a
 * thread one piece of 16 bytes of columns, whose statistics stay in its registers, and every groups-th row of the chunk. Sums over rows go
 * through shared memory to one partial sum a chunk (moments.h); a second kernel adds the chunks in order. */
#include "kernels/common/launch.h"
#include "kernels/common/pieces.cuh"
#include "kernels/norm/batchnorm.h"
#include "kernels/norm/moments.h"

namespace {

enum { THREADS = 256, FOLD_LANES = 32, FOLD_GROUPS = 32 };

/* What a thread of the frame works on. Threads beyond the last column have none (extent.n = 0) and take part in barriers alone. */
struct place {
  int64_t column, row, end; /* rows row, row + groups, .. below end */
  xr_extent extent;
};

template <int N> __device__ __forceinline__ place place_of(const xr_batchnorm &a, bool wide) {
  const int64_t column = ((int64_t)blockIdx.x * blockDim.x + threadIdx.x) * N, first = blockIdx.y * xr_chunk_rows(a.rows);
  return {column, first + threadIdx.y, first + xr_chunk_length(a.rows, blockIdx.y), xr_extent_at<N>(column, a.cols, wide)};
}

/* A thread's shelf among the block's partial results: [groups][N][lanes] of T. */
template <int N, class T> __device__ __forceinline__ T *shelf(T *all, int group) {
  return all + (int64_t)group * N * blockDim.x + threadIdx.x;
}

/* The pieces of both results of the chunk go to its rows of the workspace. */
template <int N> __device__ __forceinline__ void store_partial(const xr_batchnorm &a, const place &p, xr_pack<N> first, xr_pack<N> second) {
  float *to = a.workspace + (int64_t)blockIdx.y * 2 * a.cols + p.column;
  xr_piece_store(to, p.extent, first);
  xr_piece_store(to + a.cols, p.extent, second);
}

/* ---- forward */
/* Rows are taken four at a time: the four's moments are merged into those so far. */
template <class T> __global__ void __launch_bounds__(THREADS) moments_kernel(xr_batchnorm a, bool wide) {
  constexpr int N = xr_vec_width<T>, Rows = 4;
  __shared__ float shared_mean[THREADS * N], shared_squares[THREADS * N], shared_count[THREADS];
  const place p = place_of<N>(a, wide);
  xr_pack<N> mean = xr_filled<N>(0.0f), squares = xr_filled<N>(0.0f);
  float count = 0;
  for (int64_t row = p.row; row < p.end; row += (int64_t)Rows * blockDim.y) {
    xr_pack<N> x[Rows];
    float taken = 0;
#pragma unroll
    for (int r = 0; r < Rows; r++) {
      const bool there = row + (int64_t)r * blockDim.y < p.end;
      x[r] = there ? xr_piece_load<N>((const T *)a.x + (row + (int64_t)r * blockDim.y) * a.cols + p.column, p.extent) : xr_filled<N>(0.0f);
      taken += there ? 1.0f : 0.0f;
    }
    const float total = count + taken, share = taken / total, weight = count * share, each = 1 / taken;
#pragma unroll
    for (int i = 0; i < N; i++) {
      float sum = 0, around = 0;
#pragma unroll
      for (int r = 0; r < Rows; r++) sum += x[r].v[i];
      const float centre = sum * each;
#pragma unroll
      for (int r = 0; r < Rows; r++) {
        const float apart = (float)r < taken ? x[r].v[i] - centre : 0.0f;
        around += apart * apart;
      }
      const float apart = centre - mean.v[i];
      mean.v[i] += apart * share;
      squares.v[i] += around + apart * apart * weight;
    }
    count = total;
  }
  const int group = (int)threadIdx.y;
#pragma unroll
  for (int i = 0; i < N; i++) {
    shelf<N>(shared_mean, group)[i * blockDim.x] = mean.v[i];
    shelf<N>(shared_squares, group)[i * blockDim.x] = squares.v[i];
  }
  shared_count[group * blockDim.x + threadIdx.x] = count;
  __syncthreads();
  if (group != 0) return;
  for (int g = 1; g < (int)blockDim.y; g++) {
    const float more = shared_count[g * blockDim.x + threadIdx.x];
    if (more == 0) break; /* fewer rows than groups */
    const float total = count + more, share = more / total, weight = count * share;
#pragma unroll
    for (int i = 0; i < N; i++) {
      const float apart = shelf<N>(shared_mean, g)[i * blockDim.x] - mean.v[i];
      mean.v[i] += apart * share;
      squares.v[i] += shelf<N>(shared_squares, g)[i * blockDim.x] + apart * apart * weight;
    }
    count = total;
  }
  store_partial<N>(a, p, mean, squares);
}

/* One block for 32 columns: each of its warps merges its chunks, then the first one merges the warps. */
__global__ void __launch_bounds__(FOLD_LANES *FOLD_GROUPS) finish_moments_kernel(xr_batchnorm a) {
  __shared__ xr_moments part[FOLD_GROUPS][FOLD_LANES];
  const int64_t column = (int64_t)blockIdx.x * FOLD_LANES + threadIdx.x, chunks = xr_chunk_count(a.rows);
  xr_moments all = {};
  for (int64_t chunk = threadIdx.y; chunk < chunks && column < a.cols; chunk += FOLD_GROUPS) {
    const float *from = a.workspace + chunk * 2 * a.cols + column;
    all = xr_merge_moments(all, {(double)xr_chunk_length(a.rows, chunk), (double)from[0], (double)from[a.cols]});
  }
  part[threadIdx.y][threadIdx.x] = all;
  __syncthreads();
  if (threadIdx.y != 0 || column >= a.cols) return;
  for (int g = 1; g < FOLD_GROUPS; g++) all = xr_merge_moments(all, part[g][threadIdx.x]);
  a.mean[column] = (float)all.mean;
  a.rstd[column] = (float)(1 / sqrt(all.squares / all.count + (double)a.eps));
  if (!a.running_mean) return;
  a.running_mean[column] = xr_running(a.running_mean[column], a.momentum, all.mean);
  if (a.rows > 1) a.running_var[column] = xr_running(a.running_var[column], a.momentum, all.squares / (all.count - 1));
}

__global__ void __launch_bounds__(THREADS) running_kernel(xr_batchnorm a) {
  const int64_t column = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (column >= a.cols) return;
  a.mean[column] = a.running_mean[column];
  a.rstd[column] = (float)(1 / sqrt((double)a.running_var[column] + (double)a.eps));
}

template <class T> __global__ void __launch_bounds__(THREADS) apply_kernel(xr_batchnorm a, bool wide) {
  constexpr int N = xr_vec_width<T>;
  const place p = place_of<N>(a, wide);
  if (p.extent.n == 0) return;
  const xr_pack<N> mean = xr_piece_load<N>(a.mean + p.column, p.extent), bias = xr_piece_load<N>(a.bias + p.column, p.extent);
  const xr_pack<N> weight = xr_piece_load<N>(a.weight + p.column, p.extent);
  xr_pack<N> scale = xr_piece_load<N>(a.rstd + p.column, p.extent);
#pragma unroll
  for (int i = 0; i < N; i++) scale.v[i] *= weight.v[i];
#pragma unroll 2
  for (int64_t row = p.row; row < p.end; row += blockDim.y) {
    const int64_t at = row * a.cols + p.column;
    xr_pack<N> y = xr_piece_load<N>((const T *)a.x + at, p.extent);
#pragma unroll
    for (int i = 0; i < N; i++) y.v[i] = (y.v[i] - mean.v[i]) * scale.v[i] + bias.v[i];
    if (a.add) {
      const xr_pack<N> add = xr_piece_load<N>((const T *)a.add + at, p.extent);
#pragma unroll
      for (int i = 0; i < N; i++) y.v[i] += add.v[i];
    }
    if (a.relu)
#pragma unroll
      for (int i = 0; i < N; i++) y.v[i] = y.v[i] < 0 ? 0 : y.v[i]; /* a NaN stays */
    xr_piece_store((T *)a.y + at, p.extent, y);
  }
}

/* ---- backward */
template <int N, class T> __device__ __forceinline__ xr_pack<N> gradient(const xr_batchnorm &a, int64_t at, xr_extent e) {
  xr_pack<N> g = xr_piece_load<N>((const T *)a.dy + at, e);
  if (a.relu) {
    const xr_pack<N> y = xr_piece_load<N>((const T *)a.y + at, e);
#pragma unroll
    for (int i = 0; i < N; i++) g.v[i] = y.v[i] > 0 ? g.v[i] : 0;
  }
  return g;
}

template <class T> __global__ void __launch_bounds__(THREADS) sums_kernel(xr_batchnorm a, bool wide) {
  constexpr int N = xr_vec_width<T>;
  __shared__ float shared_dweight[THREADS * N], shared_dbias[THREADS * N];
  const place p = place_of<N>(a, wide);
  xr_pack<N> dweight = xr_filled<N>(0.0f), dbias = xr_filled<N>(0.0f);
  const xr_pack<N> mean = xr_piece_load<N>(a.mean + p.column, p.extent), rstd = xr_piece_load<N>(a.rstd + p.column, p.extent);
#pragma unroll 2
  for (int64_t row = p.row; row < p.end; row += blockDim.y) {
    const int64_t at = row * a.cols + p.column;
    const xr_pack<N> g = gradient<N, T>(a, at, p.extent), x = xr_piece_load<N>((const T *)a.x + at, p.extent);
#pragma unroll
    for (int i = 0; i < N; i++) {
      dweight.v[i] += g.v[i] * ((x.v[i] - mean.v[i]) * rstd.v[i]);
      dbias.v[i] += g.v[i];
    }
  }
  const int group = (int)threadIdx.y;
#pragma unroll
  for (int i = 0; i < N; i++) {
    shelf<N>(shared_dweight, group)[i * blockDim.x] = dweight.v[i];
    shelf<N>(shared_dbias, group)[i * blockDim.x] = dbias.v[i];
  }
  __syncthreads();
  if (group != 0) return;
  for (int g = 1; g < (int)blockDim.y; g++) {
#pragma unroll
    for (int i = 0; i < N; i++) {
      dweight.v[i] += shelf<N>(shared_dweight, g)[i * blockDim.x];
      dbias.v[i] += shelf<N>(shared_dbias, g)[i * blockDim.x];
    }
  }
  store_partial<N>(a, p, dweight, dbias);
}

/* One block for 32 of the 2 cols sums: dweight's, then dbias's. The totals go behind the chunks' sums. */
__global__ void __launch_bounds__(FOLD_LANES *FOLD_GROUPS) finish_sums_kernel(xr_batchnorm a) {
  __shared__ double part[FOLD_GROUPS][FOLD_LANES];
  const int64_t at = (int64_t)blockIdx.x * FOLD_LANES + threadIdx.x, width = 2 * a.cols, chunks = xr_chunk_count(a.rows);
  double total = 0;
  for (int64_t chunk = threadIdx.y; chunk < chunks && at < width; chunk += FOLD_GROUPS) total += (double)a.workspace[chunk * width + at];
  part[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y != 0 || at >= width) return;
  for (int g = 1; g < FOLD_GROUPS; g++) total += part[g][threadIdx.x];
  a.workspace[chunks * width + at] = (float)total;
  const bool weight = at < a.cols;
  float *out = weight ? a.dweight : a.dbias;
  if (!out) return;
  out += weight ? at : at - a.cols;
  *out = (float)total + ((weight ? a.accumulate_dweight : a.accumulate_dbias) ? *out : 0.0f);
}

template <class T> __global__ void __launch_bounds__(THREADS) gradients_kernel(xr_batchnorm a, bool wide) {
  constexpr int N = xr_vec_width<T>;
  const place p = place_of<N>(a, wide);
  if (p.extent.n == 0) return;
  const float *totals = a.workspace + xr_chunk_count(a.rows) * 2 * a.cols + p.column;
  const xr_pack<N> mean = xr_piece_load<N>(a.mean + p.column, p.extent), rstd = xr_piece_load<N>(a.rstd + p.column, p.extent);
  xr_pack<N> scale = xr_piece_load<N>(a.weight + p.column, p.extent);
  xr_pack<N> mean_gn = xr_piece_load<N>(totals, p.extent), mean_g = xr_piece_load<N>(totals + a.cols, p.extent);
#pragma unroll
  for (int i = 0; i < N; i++) {
    scale.v[i] *= rstd.v[i];
    mean_g.v[i] /= (float)a.rows;
    mean_gn.v[i] = mean_gn.v[i] / (float)a.rows * rstd.v[i];
  }
  for (int64_t row = p.row; row < p.end; row += blockDim.y) {
    const int64_t at = row * a.cols + p.column;
    const xr_pack<N> g = gradient<N, T>(a, at, p.extent);
    if (a.dadd && (a.dadd != a.dy || a.relu)) xr_piece_store((T *)a.dadd + at, p.extent, g, a.accumulate_dadd);
    if (!a.dx) continue;
    xr_pack<N> dx = xr_piece_load<N>((const T *)a.x + at, p.extent);
#pragma unroll
    for (int i = 0; i < N; i++) dx.v[i] = scale.v[i] * (g.v[i] - mean_g.v[i] - (dx.v[i] - mean.v[i]) * mean_gn.v[i]);
    xr_piece_store((T *)a.dx + at, p.extent, dx, a.accumulate_dx);
  }
}

/* ---- launches */
/* The lanes of a block cover the columns, or a strip of 32 pieces of them; what remains of its threads are groups of rows. */
template <class T>
xr_status launch_frame(const char *name, void (*kernel)(xr_batchnorm, bool), const xr_batchnorm *a, bool wide, xr_stream stream) {
  const int64_t pieces = xr_blocks(a->cols, xr_vec_width<T>);
  unsigned lanes = 1;
  while (lanes < 32 && lanes < pieces) lanes *= 2;
  return xr_launch(name, kernel, xr_grid{xr_blocks(pieces, lanes), xr_chunk_count(a->rows), 1}, dim3(lanes, THREADS / lanes), 0, stream, *a,
                   wide);
}

template <class T> bool rows_are_wide(const xr_batchnorm *a) {
  return xr_vec_fits<T>(a->cols, a->x, a->add, a->y, a->dy, a->dx, a->dadd) &&
         xr_vec_fits<float>(a->cols, a->weight, a->bias, a->mean, a->rstd, a->workspace);
}

template <class T> xr_status forward(const xr_batchnorm *a, xr_stream stream) {
  const bool wide = rows_are_wide<T>(a);
  if (a->training) {
    XR_TRY(launch_frame<T>("batchnorm moments", moments_kernel<T>, a, wide, stream));
    XR_TRY(
        xr_launch("batchnorm finish", finish_moments_kernel, xr_blocks(a->cols, FOLD_LANES), dim3(FOLD_LANES, FOLD_GROUPS), 0, stream, *a));
  } else {
    XR_TRY(xr_launch("batchnorm running", running_kernel, xr_blocks(a->cols, THREADS), THREADS, 0, stream, *a));
  }
  return launch_frame<T>("batchnorm", apply_kernel<T>, a, wide, stream);
}

template <class T> xr_status backward(const xr_batchnorm *a, xr_stream stream) {
  const bool wide = rows_are_wide<T>(a);
  XR_TRY(launch_frame<T>("batchnorm sums", sums_kernel<T>, a, wide, stream));
  XR_TRY(xr_launch("batchnorm fold", finish_sums_kernel, xr_blocks(2 * a->cols, FOLD_LANES), dim3(FOLD_LANES, FOLD_GROUPS), 0, stream, *a));
  if (!a->dx && !a->dadd) return XR_OK;
  return launch_frame<T>("batchnorm gradients", gradients_kernel<T>, a, wide, stream);
}

} // namespace

xr_status xr_batchnorm_forward_cuda(const xr_batchnorm *a, xr_stream stream) {
  XR_TRY(xr_batchnorm_check(a));
  return xr_for_dtype(a->dtype, "batchnorm", [&](auto element) { return forward<decltype(element)>(a, stream); });
}

xr_status xr_batchnorm_backward_cuda(const xr_batchnorm *a, xr_stream stream) {
  XR_TRY(xr_batchnorm_check(a));
  if (!a->training) return xr_fail(XR_BAD_ARGUMENT, "batchnorm: running statistics have no backward");
  return xr_for_dtype(a->dtype, "batchnorm", [&](auto element) { return backward<decltype(element)>(a, stream); });
}
