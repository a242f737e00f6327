/* Both directions from two readings of S and without atomics.
 *
 *   tiles     each block reads a tile of S and leaves, for each of its rows and each of its columns (an anchor), a partial result
 *   anchors   a warp an anchor puts the partial results of its tiles together, in order, and counts its partners
 *   gradient  elementwise; the first block adds the loss */
#include <math.h>

#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/common/scaled_copy.cuh"
#include "kernels/loss/sdm.h"
#include "kernels/loss/sdm_workspace.h"

enum {
  TILE = XR_SDM_TILE,
  THREADS = 256,
  SHARE = THREADS / TILE, /* threads that share an anchor of a tile: neighbours in a warp */
  STRIDE = TILE + 4,      /* of a tile in shared memory: the rows that a warp reads together lie in different banks */
  ANCHORS = THREADS / 32
};

static __device__ __forceinline__ const int32_t *images_of(const xr_sdm &a) { return a.image_id ? a.image_id : a.labels; }

/* log(q + eps) of a pair, given that of partners of the same image and of the same identity. */
static __device__ __forceinline__ float log_target(bool identity, bool image, float same, float semi) {
  return identity ? (image ? same : semi) : -18.420680743952367f; /* log eps */
}

/* The labels of the rows or columns of a tile. */
struct tile_labels {
  int32_t label[TILE], image[TILE];

  __device__ __forceinline__ void load(const xr_sdm &a, int64_t first, int n, int i) {
    if (i < n) {
      label[i] = a.labels[first + i];
      image[i] = images_of(a)[first + i];
    }
  }
};

/* One anchor against every SHARE-th of n candidates, from candidate `first` on. */
static __device__ __forceinline__ xr_sdm_part scan(const float *value, int step, int first, int n, float inverse_tau,
                                                   const tile_labels &anchors, int anchor, const tile_labels &candidates) {
  xr_sdm_part p = {-INFINITY, 0, 0, 0, 0};
  for (int j = first; j < n; j += SHARE) p.largest = fmaxf(p.largest, value[j * step]);
  const int32_t label = anchors.label[anchor], image = anchors.image[anchor];
  for (int j = first; j < n; j += SHARE) {
    const float x = (value[j * step] - p.largest) * inverse_tau, e = expf(x);
    p.weighted += e * x;
    const bool identity = candidates.label[j] == label, same = candidates.image[j] == image;
    p.same += identity && same ? e : 0;
    p.semi += identity && !same ? e : 0;
    p.rest += identity ? 0 : e;
  }
  return p;
}

/* Moves a part to another reference: e^x' = e^x e^(d), x' = x + d. A part of no candidates (-infinity) is all zeros and stays so. */
static __device__ __forceinline__ xr_sdm_part moved(const xr_sdm_part &p, float largest, float inverse_tau) {
  const float d = p.largest == -INFINITY ? 0 : (p.largest - largest) * inverse_tau, factor = expf(d);
  return {largest, factor * (p.weighted + d * (p.same + p.semi + p.rest)), factor * p.same, factor * p.semi, factor * p.rest};
}

static __device__ __forceinline__ xr_sdm_part together(const xr_sdm_part &a, const xr_sdm_part &b, float inverse_tau) {
  const float largest = fmaxf(a.largest, b.largest);
  const xr_sdm_part x = moved(a, largest, inverse_tau), y = moved(b, largest, inverse_tau);
  return {largest, x.weighted + y.weighted, x.same + y.same, x.semi + y.semi, x.rest + y.rest};
}

/* The parts of `lanes` neighbouring lanes together, in all of them. */
template <int LANES> static __device__ __forceinline__ xr_sdm_part together_in_warp(xr_sdm_part p, float inverse_tau) {
#pragma unroll
  for (int distance = 1; distance < LANES; distance *= 2) {
    const xr_sdm_part other = {__shfl_xor_sync(0xffffffffu, p.largest, distance), __shfl_xor_sync(0xffffffffu, p.weighted, distance),
                               __shfl_xor_sync(0xffffffffu, p.same, distance), __shfl_xor_sync(0xffffffffu, p.semi, distance),
                               __shfl_xor_sync(0xffffffffu, p.rest, distance)};
    p = together(p, other, inverse_tau);
  }
  return p;
}

static __device__ __forceinline__ int tile_size(int64_t batch, int64_t first) { return (int)min(batch - first, (int64_t)TILE); }

static __global__ void __launch_bounds__(THREADS) tiles_kernel(const xr_sdm a) {
  __shared__ float tile[TILE * STRIDE];
  __shared__ tile_labels rows, columns;
  const int64_t batch = a.batch, row0 = (int64_t)blockIdx.y * TILE, column0 = (int64_t)blockIdx.x * TILE;
  const int height = tile_size(batch, row0), width = tile_size(batch, column0), thread = (int)threadIdx.x;
  const xr_sdm_tables t = xr_sdm_tables_of(&a);
  const float inverse_tau = 1 / a.tau, *s = a.similarity + row0 * batch + column0;
#pragma unroll
  for (int k = 0; k < TILE / SHARE; k++) {
    const int r = k * SHARE + thread / TILE, c = thread % TILE;
    if (r < height && c < width) tile[r * STRIDE + c] = s[r * batch + c];
  }
  if (thread < TILE)
    rows.load(a, row0, height, thread);
  else if (thread < 2 * TILE)
    columns.load(a, column0, width, thread - TILE);
  __syncthreads();
  const int anchor = thread / SHARE, share = thread % SHARE;
  xr_sdm_part row = {-INFINITY, 0, 0, 0, 0}, column = row;
  if (anchor < height) row = scan(tile + anchor * STRIDE, 1, share, width, inverse_tau, rows, anchor, columns);
  if (anchor < width) column = scan(tile + anchor, STRIDE, share, height, inverse_tau, columns, anchor, rows);
  row = together_in_warp<SHARE>(row, inverse_tau);
  column = together_in_warp<SHARE>(column, inverse_tau);
  if (share != 0) return;
  if (anchor < height) t.row_part[(row0 + anchor) * t.tiles + blockIdx.x] = row;
  if (anchor < width) t.column_part[(column0 + anchor) * t.tiles + blockIdx.y] = column;
}

/* What the gradient needs of one anchor in one direction; every lane has all of `part`. */
static __device__ void finish(const xr_sdm_anchors &out, int64_t i, const xr_sdm_part *part, int64_t tiles, float inverse_tau,
                              float log_same, float log_semi) {
  const int lane = (int)threadIdx.x % 32;
  xr_sdm_part p = {-INFINITY, 0, 0, 0, 0};
  for (int64_t k = lane; k < tiles; k += 32) p = together(p, part[i * tiles + k], inverse_tau);
  p = together_in_warp<32>(p, inverse_tau);
  if (lane != 0) return;
  const double same = (double)p.same, semi = (double)p.semi, rest = (double)p.rest, sum = same + semi + rest, log_sum = log(sum);
  const double targets = same * (double)log_same + semi * (double)log_semi + rest * (double)log_target(false, false, 0, 0);
  out.largest[i] = p.largest;
  out.log_sum[i] = (float)log_sum;
  out.kl[i] = (float)(((double)p.weighted - targets) / sum - log_sum);
}

static __global__ void __launch_bounds__(THREADS) anchors_kernel(const xr_sdm a) {
  const int64_t i = (int64_t)blockIdx.x * ANCHORS + threadIdx.x / 32;
  if (i >= a.batch) return;
  const xr_sdm_tables t = xr_sdm_tables_of(&a);
  const int32_t *images = images_of(a), label = a.labels[i], image = images[i];
  int same = 0, semi = 0;
  for (int64_t j = threadIdx.x % 32; j < a.batch; j += 32) {
    const bool identity = a.labels[j] == label, alike = images[j] == image;
    same += identity && alike;
    semi += identity && !alike;
  }
  const double total = (double)xr_warp_sum(same) + (double)a.semi_weight * (double)xr_warp_sum(semi);
  const float log_same = (float)log(1 / total + XR_SDM_EPSILON), log_semi = (float)log((double)a.semi_weight / total + XR_SDM_EPSILON);
  if (threadIdx.x % 32 == 0) {
    t.log_same[i] = log_same;
    t.log_semi[i] = log_semi;
  }
  finish(t.row, i, t.row_part, t.tiles, 1 / a.tau, log_same, log_semi);
  finish(t.column, i, t.column_part, t.tiles, 1 / a.tau, log_same, log_semi);
}

static __device__ void add_loss(const xr_sdm &a, const xr_sdm_tables &t) {
  double total = 0;
  for (int64_t i = threadIdx.x; i < a.batch; i += THREADS) total += (double)t.row.kl[i] + (double)t.column.kl[i];
  total = xr_block_sum<THREADS>(total);
  if (threadIdx.x == 0) a.loss[0] = (float)(total / (double)a.batch);
}

/* One anchor as the gradient reads it. */
struct anchor_values {
  float largest, log_sum, kl, same, semi;
  int32_t label, image;

  __device__ __forceinline__ void load(const xr_sdm &a, const xr_sdm_tables &t, const xr_sdm_anchors &side, int64_t i) {
    *this = {side.largest[i], side.log_sum[i], side.kl[i], t.log_same[i], t.log_semi[i], a.labels[i], images_of(a)[i]};
  }
  __device__ __forceinline__ float gradient(float s, float inverse_tau, bool identity, bool alike) const {
    const float log_p = (s - largest) * inverse_tau - log_sum;
    return expf(log_p) * (log_p - log_target(identity, alike, same, semi) - kl);
  }
};

static __global__ void __launch_bounds__(THREADS) gradient_kernel(const xr_sdm a) {
  __shared__ anchor_values rows[TILE];
  const int64_t batch = a.batch, row0 = (int64_t)blockIdx.y * TILE, column0 = (int64_t)blockIdx.x * TILE;
  const int height = tile_size(batch, row0), width = tile_size(batch, column0), thread = (int)threadIdx.x, c = thread % TILE;
  const xr_sdm_tables t = xr_sdm_tables_of(&a);
  const float inverse_tau = 1 / a.tau, scale = (float)(1 / ((double)batch * (double)a.tau));
  if (blockIdx.x == 0 && blockIdx.y == 0) add_loss(a, t);
  if (thread < height) rows[thread].load(a, t, t.row, row0 + thread);
  __syncthreads();
  if (c >= width) return;
  anchor_values column;
  column.load(a, t, t.column, column0 + c);
#pragma unroll 4
  for (int r = thread / TILE; r < height; r += SHARE) {
    const int64_t at = (row0 + r) * batch + column0 + c;
    const float s = a.similarity[at];
    const bool identity = rows[r].label == column.label, alike = rows[r].image == column.image;
    a.gradient[at] = scale * (rows[r].gradient(s, inverse_tau, identity, alike) + column.gradient(s, inverse_tau, identity, alike));
  }
}

extern "C" xr_status xr_sdm_forward_cuda(const xr_sdm *a, xr_stream stream) {
  XR_TRY(xr_sdm_check(a));
  const int64_t tiles = xr_blocks(a->batch, TILE);
  XR_TRY(xr_launch("sdm", tiles_kernel, xr_grid{tiles, tiles, 1}, THREADS, 0, stream, *a));
  XR_TRY(xr_launch("sdm", anchors_kernel, xr_blocks(a->batch, ANCHORS), THREADS, 0, stream, *a));
  return xr_launch("sdm", gradient_kernel, xr_grid{tiles, tiles, 1}, THREADS, 0, stream, *a);
}

extern "C" xr_status xr_sdm_backward_cuda(const xr_sdm *a, xr_stream stream) {
  XR_TRY(xr_sdm_check(a));
  return xr_scaled_copy_cuda("sdm", a->dsimilarity, XR_F32, a->accumulate_dsimilarity, a->dloss, a->gradient, XR_F32, a->batch * a->batch,
                             stream);
}
