/* A block an identity of the batch, its threads share the columns. */
#include <math.h>

#include "kernels/common/launch.h"
#include "kernels/loss/centre/feature_tables.h"
#include "kernels/loss/centre/segments.cuh"

enum { THREADS = 256 };

static __global__ void __launch_bounds__(THREADS) memory_kernel(const xr_feature_memory a) {
  const xr_segments s = xr_feature_segments(&a);
  const int64_t p = blockIdx.x;
  if (p >= s.count[0]) return;
  const int32_t first = s.start[p], end = s.start[p + 1];
  const int64_t own = xr_feature_class(&a, s.order[first]);
  if (own < 0) {
    for (int64_t column = threadIdx.x; column < a.width; column += THREADS)
      for (int32_t k = first; k < end; k++) a.y[s.order[k] * a.width + column] = NAN;
    return;
  }
  const float keep = a.seen[own] > 0.5f ? a.momentum : 0;
  float *bank = a.bank + own * a.width;
  for (int64_t column = threadIdx.x; column < a.width; column += THREADS) xr_feature_column(&a, s.order, first, end, keep, bank, column);
  __syncthreads(); /* all have read seen */
  if (threadIdx.x == 0) a.seen[own] = 1;
}

extern "C" xr_status xr_feature_memory_forward_cuda(const xr_feature_memory *a, xr_stream stream) {
  XR_TRY(xr_feature_memory_check(a));
  XR_TRY(xr_segments_find_cuda("feature_memory", xr_feature_segments(a), a->identity, a->batch, stream));
  return xr_launch("feature_memory", memory_kernel, a->batch, THREADS, 0, stream, *a);
}
