#include "kernels/retrieval/score_pairs.h"

#include "kernels/retrieval/score_element.cuh"

namespace {

constexpr int THREADS = 128;

/* A thread makes one chain. */
template <class Q, class G>
__global__ void __launch_bounds__(THREADS)
    pairs_kernel(xr_score_pairs a, int64_t query_stride, int64_t item_stride, bool query_fours, bool item_fours) {
  const int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
  if (i >= a.count) return;
  const xr_score_pair p = a.pairs[i];
  if (p.query < 0 || p.query >= a.queries || p.item < 0 || p.item >= a.gallery) {
    a.scores[i] = NAN;
    return;
  }
  const Q *query = (const Q *)a.query + p.query * query_stride;
  const G *item = (const G *)a.items + p.item * item_stride;
  float sum = 0;
#pragma unroll 4
  for (int64_t k = 0; k + 4 <= a.width; k += 4) {
    float q[4], g[4];
    xr_load_four(q, query + k, 4, query_fours);
    xr_load_four(g, item + k, 4, item_fours);
#pragma unroll
    for (int j = 0; j < 4; j++) sum = fmaf(q[j], g[j], sum);
  }
  for (int64_t k = a.width / 4 * 4; k < a.width; k++) sum = fmaf(xr_to_float(query[k]), xr_to_float(item[k]), sum);
  a.scores[i] = a.bias ? sum + a.bias[p.item] : sum;
}

} // namespace

xr_status xr_score_pairs_cuda(const xr_score_pairs *a, xr_stream stream) {
  XR_TRY(xr_score_pairs_check(a));
  const int64_t query_stride = a->query_stride ? a->query_stride : a->width, item_stride = a->item_stride ? a->item_stride : a->width;
  return xr_for_score_dtype(a->query_dtype, [&](auto q) {
    return xr_for_score_dtype(a->item_dtype, [&](auto g) {
      using Q = decltype(q);
      using G = decltype(g);
      return xr_launch("score pairs", pairs_kernel<Q, G>, xr_blocks(a->count, THREADS), THREADS, 0, stream, *a, query_stride, item_stride,
                       xr_fours<Q>(a->query, query_stride, a->width), xr_fours<G>(a->items, item_stride, a->width));
    });
  });
}
