/* A warp serves one sample: its lanes share the candidates. */
#include "kernels/loss/match_pairs.h"

#include "kernels/common/launch.h"
#include "kernels/loss/first_largest.cuh"

enum { THREADS = 256, SAMPLES = THREADS / 32 };

static __device__ int choose(const xr_match_pairs &a, int i, bool text) {
  const int batch = (int)a.batch, identity = a.identity[i];
  const int64_t step = text ? batch : 1;
  const float *s = a.similarity + (text ? i : (int64_t)i * batch);
  xr_first_largest best;
  for (int j = threadIdx.x % 32; j < batch; j += 32)
    if (a.identity[j] != identity) best.offer(xr_match_key(&a, text ? (int64_t)batch + i : i, j, s[j * step]), j);
  best.share();
  return best.at;
}

static __global__ void __launch_bounds__(THREADS) match_pairs_kernel(const xr_match_pairs a) {
  const int64_t i = (int64_t)blockIdx.x * SAMPLES + threadIdx.x / 32;
  if (i >= a.batch) return;
  const int text = choose(a, (int)i, false), image = choose(a, (int)i, true);
  if (threadIdx.x % 32 == 0) xr_match_write(&a, i, text, image);
}

xr_status xr_match_pairs_forward_cuda(const xr_match_pairs *a, xr_stream stream) {
  XR_TRY(xr_match_pairs_check(a));
  return xr_launch("match_pairs", match_pairs_kernel, xr_blocks(a->batch, SAMPLES), THREADS, 0, stream, *a);
}
