/* banks: a block an identity. samples: a warp a sample. total: one block. */
#include <math.h>

#include "kernels/common/launch.h"
#include "kernels/common/pieces.cuh"
#include "kernels/common/reduce.cuh"
#include "kernels/loss/centre/modality_tables.h"
#include "kernels/loss/centre/segments.cuh"

enum { THREADS = 256, SAMPLES = THREADS / 32 };

static const char *const name = "modality_memory";

static __global__ void __launch_bounds__(THREADS) banks_kernel(const xr_modality_memory a) {
  const xr_segments s = xr_modality_tables_of(&a).segments;
  const int64_t p = blockIdx.x;
  if (p >= s.count[0]) return;
  const int32_t first = s.start[p], end = s.start[p + 1];
  const int64_t own = xr_modality_class(&a, s.order[first]);
  if (own < 0) return;
  const bool seen[2] = {a.seen[own] > 0.5f, a.seen[a.classes + own] > 0.5f};
  for (int64_t column = threadIdx.x; column < a.width; column += THREADS) xr_modality_column(&a, s.order, first, end, own, seen, column);
  __syncthreads(); /* all have read what was seen */
  for (int32_t k = first + threadIdx.x; k < end; k += THREADS) a.seen[xr_modality_side(&a, s.order[k]) * a.classes + own] = 1;
}

static __global__ void __launch_bounds__(THREADS) samples_kernel(const xr_modality_memory a) {
  const int64_t i = (int64_t)blockIdx.x * SAMPLES + threadIdx.x / 32;
  if (i >= a.batch) return;
  const int lane = threadIdx.x % 32;
  const int64_t own = xr_modality_class(&a, i);
  const float *centre = own < 0 ? nullptr : xr_modality_centre(&a, i, own);
  float sum = 0;
  for (int64_t k = lane; k < a.width && centre; k += 32) {
    const float d = a.x[i * a.width + k] - centre[k];
    sum += d * d;
  }
  sum = xr_warp_sum(sum);
  if (lane == 0) xr_modality_tables_of(&a).term[i] = own < 0 ? NAN : centre ? sum : -1;
}

static __global__ void __launch_bounds__(THREADS) total_kernel(const xr_modality_memory a) {
  const float *term = xr_modality_tables_of(&a).term;
  double total = 0, count = 0;
  for (int64_t i = threadIdx.x; i < a.batch; i += THREADS) {
    if (term[i] < 0) continue;
    total += (double)term[i];
    count++;
  }
  total = xr_block_sum<THREADS>(total);
  count = xr_block_sum<THREADS>(count);
  if (threadIdx.x != 0) return;
  a.loss[0] = count > 0 ? (float)(total / count) : 0;
  a.scale[0] = total != total ? NAN : count > 0 ? (float)(2 / count) : 0;
}

extern "C" xr_status xr_modality_memory_forward_cuda(const xr_modality_memory *a, xr_stream stream) {
  XR_TRY(xr_modality_memory_check(a));
  XR_TRY(xr_segments_find_cuda(name, xr_modality_tables_of(a).segments, a->identity, a->batch, stream));
  XR_TRY(xr_launch(name, banks_kernel, a->batch, THREADS, 0, stream, *a));
  XR_TRY(xr_launch(name, samples_kernel, xr_blocks(a->batch, SAMPLES), THREADS, 0, stream, *a));
  return xr_launch(name, total_kernel, 1, THREADS, 0, stream, *a);
}

struct xr_modality_backward {
  xr_modality_memory a;

  __device__ void operator()(int64_t i, int64_t at, xr_extent e) const {
    const int64_t own = xr_modality_class(&a, i);
    const float factor = *a.dloss * *a.scale, *centre = own < 0 ? nullptr : xr_modality_centre(&a, i, own);
    xr_pack<4> d = xr_filled<4>(0 * factor); /* NaN where the scale is */
    if (centre) {
      const xr_pack<4> x = xr_piece_load<4>(a.x + i * a.width + at, e), c = xr_piece_load<4>(centre + at, e);
#pragma unroll
      for (int k = 0; k < 4; k++) d.v[k] = factor * (x.v[k] - c.v[k]);
    }
    xr_piece_store(a.dx + i * a.width + at, e, d, a.accumulate_dx);
  }
};

extern "C" xr_status xr_modality_memory_backward_cuda(const xr_modality_memory *a, xr_stream stream) {
  XR_TRY(xr_modality_memory_check(a));
  const bool wide = xr_vec_fits<float>(a->width, a->dx, a->x, a->bank[0], a->bank[1]);
  return xr_for_pieces<4>(name, xr_modality_backward{*a}, a->batch, a->width, wide, stream);
}
