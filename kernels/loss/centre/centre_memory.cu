/* banks: a block an identity. samples: a warp a sample, which also marks its identity as seen. total: one block. */
#include <math.h>

#include "kernels/common/launch.h"
#include "kernels/common/pieces.cuh"
#include "kernels/common/reduce.cuh"
#include "kernels/loss/centre/memory_tables.h"
#include "kernels/loss/centre/segments.cuh"

enum { THREADS = 256, SAMPLES = THREADS / 32 };

static __global__ void __launch_bounds__(THREADS) banks_kernel(const xr_centre_memory a) {
  const xr_segments s = xr_memory_tables_of(&a).segments;
  const int64_t p = blockIdx.x;
  if (p >= s.count[0]) return;
  const int32_t first = s.start[p], end = s.start[p + 1];
  const int64_t own = xr_memory_class(&a, s.order[first]);
  if (own < 0) return;
  const float keep = xr_memory_keep(&a, own);
  for (int64_t column = threadIdx.x; column < a.width; column += THREADS)
    for (int set = 0; set < a.sets; set++) {
      float *bank = &a.bank[set][own * a.width + column];
      float sum = 0;
      for (int32_t k = first; k < end; k++) sum += a.x[set][s.order[k] * a.width + column];
      const float mean = sum / (float)(end - first);
      *bank = keep == 0 ? mean : keep * *bank + (1 - keep) * mean; /* what was never seen may hold anything */
    }
}

static __global__ void __launch_bounds__(THREADS) samples_kernel(const xr_centre_memory a) {
  const xr_memory_tables t = xr_memory_tables_of(&a);
  const int64_t i = (int64_t)blockIdx.x * SAMPLES + threadIdx.x / 32;
  if (i >= a.batch) return;
  const int lane = threadIdx.x % 32;
  const int64_t own = xr_memory_class(&a, i);
  float sum = 0;
  for (int64_t k = lane; k < a.width && own >= 0; k += 32)
    for (int set = 0; set < a.sets; set++)
      for (int b = 0; b < a.sets; b++) {
        if (b == set) continue;
        const float d = a.x[set][i * a.width + k] - a.bank[b][own * a.width + k];
        sum += d * d;
      }
  sum = xr_warp_sum(sum);
  if (lane != 0) return;
  t.term[i] = own < 0 ? NAN : sum;
  if (own >= 0 && t.segments.order[t.segments.start[t.segments.segment[i]]] == i) a.seen[own] = 1;
}

static __global__ void __launch_bounds__(THREADS) total_kernel(const xr_centre_memory a) {
  const float *term = xr_memory_tables_of(&a).term;
  double total = 0;
  for (int64_t i = threadIdx.x; i < a.batch; i += THREADS) total += (double)term[i];
  total = xr_block_sum<THREADS>(total);
  if (threadIdx.x == 0) a.loss[0] = (float)(total / (2 * (double)a.batch));
}

extern "C" xr_status xr_centre_memory_forward_cuda(const xr_centre_memory *a, xr_stream stream) {
  const char *name = "centre_memory";
  XR_TRY(xr_centre_memory_check(a));
  XR_TRY(xr_segments_find_cuda(name, xr_memory_tables_of(a).segments, a->identity, a->batch, stream));
  XR_TRY(xr_launch(name, banks_kernel, a->batch, THREADS, 0, stream, *a));
  XR_TRY(xr_launch(name, samples_kernel, xr_blocks(a->batch, SAMPLES), THREADS, 0, stream, *a));
  return xr_launch(name, total_kernel, 1, THREADS, 0, stream, *a);
}

/* dx of all sets, one row after another. */
struct xr_memory_backward {
  xr_centre_memory a;

  __device__ void operator()(int64_t row, int64_t at, xr_extent e) const {
    const int set = (int)(row / a.batch);
    const int64_t i = row % a.batch, own = xr_memory_class(&a, i);
    if (!a.dx[set]) return;
    xr_pack<4> sum = xr_filled<4>(own < 0 ? NAN : 0.0f);
    if (own >= 0 && !xr_memory_is_constant(&a, set)) {
      const xr_pack<4> x = xr_piece_load<4>(a.x[set] + i * a.width + at, e);
      for (int b = 0; b < a.sets; b++) {
        if (b == set) continue;
        const xr_pack<4> centre = xr_piece_load<4>(a.bank[b] + own * a.width + at, e);
#pragma unroll
        for (int k = 0; k < 4; k++) sum.v[k] += x.v[k] - centre.v[k];
      }
    }
    const float factor = *a.dloss / (float)a.batch;
#pragma unroll
    for (int k = 0; k < 4; k++) sum.v[k] *= factor;
    xr_piece_store(a.dx[set] + i * a.width + at, e, sum, a.accumulate_dx[set]);
  }
};

extern "C" xr_status xr_centre_memory_backward_cuda(const xr_centre_memory *a, xr_stream stream) {
  XR_TRY(xr_centre_memory_check(a));
  const bool wide = xr_vec_fits<float>(a->width, a->dx[0], a->dx[1], a->dx[2], a->x[0], a->x[1], a->x[2], a->bank[0], a->bank[1],
                                       a->bank[2]);
  return xr_for_pieces<4>("centre_memory", xr_memory_backward{*a}, a->sets * a->batch, a->width, wide, stream);
}
