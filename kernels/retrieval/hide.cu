#include "kernels/retrieval/hide.h"

#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"

namespace {

constexpr int THREADS = 256;

/* A block does a row. */
__global__ void __launch_bounds__(THREADS) hide_kernel(xr_hide a) {
  const int64_t q = blockIdx.x;
  float *s = a.scores + q * a.stride;
  const int32_t hidden = a.item_code ? a.hidden_code[q] : -1;
  int first = INT32_MAX;
  for (int64_t g = threadIdx.x; g < a.gallery; g += THREADS) {
    if (s[g] != s[g]) first = first < (int)g ? first : (int)g;
    if (hidden >= 0 && a.item_code[g] == hidden) s[g] = NAN;
  }
  if (!a.nan_at) return;
  first = xr_block_reduce<THREADS>(first, xr_min());
  if (threadIdx.x == 0) a.nan_at[q] = first == INT32_MAX ? -1 : first;
}

} // namespace

xr_status xr_hide_cuda(const xr_hide *a, xr_stream stream) {
  XR_TRY(xr_hide_check(a));
  return xr_launch("hiding items", hide_kernel, a->queries, THREADS, 0, stream, *a);
}
