#define XR_SET_LANES 1

#include "kernels/common/launch.h"
#include "kernels/retrieval/set_plan.h"

namespace {

constexpr int THREADS = 256;

/* A thread makes one score; neighbours take neighbouring items. */
template <xr_set_kind Kind>
__global__ void __launch_bounds__(THREADS)
    set_kernel(xr_set_plan plan, const float *cosines, const float *global, float *scores, int64_t gallery, int64_t cosine_stride,
               int64_t global_stride, int64_t stride, uint32_t chunks) {
  const int64_t query = blockIdx.x / chunks, item = (int64_t)(blockIdx.x % chunks) * THREADS + threadIdx.x;
  if (item >= gallery) return;
  plan.kind = Kind; /* known to the compiler */
  float set;
  xr_set_similarity_lanes(&plan, cosines + query * plan.rows * cosine_stride + item * plan.columns, cosine_stride, 1, &set);
  scores[query * stride + item] = fmaf(plan.weight, set, global ? plan.global_weight * global[query * global_stride + item] : 0.0f);
}

template <xr_set_kind Kind> xr_status launch(const xr_set_score *a, xr_stream stream) {
  const int64_t chunks = xr_blocks(a->gallery, THREADS);
  return xr_launch("set score", set_kernel<Kind>, a->queries * chunks, THREADS, 0, stream, xr_set_plan_of(a), a->cosines, a->global,
                   a->scores, a->gallery, a->cosine_stride ? a->cosine_stride : a->gallery * a->item_set,
                   a->global_stride ? a->global_stride : a->gallery, a->stride ? a->stride : a->gallery, (uint32_t)chunks);
}

} // namespace

xr_status xr_set_score_cuda(const xr_set_score *a, xr_stream stream) {
  XR_TRY(xr_set_score_check(a));
  switch (a->kind) {
  case XR_SET_SMOOTH_CHAMFER:
    return launch<XR_SET_SMOOTH_CHAMFER>(a, stream);
  case XR_SET_CHAMFER:
    return launch<XR_SET_CHAMFER>(a, stream);
  case XR_SET_MIL:
    return launch<XR_SET_MIL>(a, stream);
  case XR_SET_AVERAGE:
    return launch<XR_SET_AVERAGE>(a, stream);
  case XR_SET_ALIGNED:
    return launch<XR_SET_ALIGNED>(a, stream);
  default:
    return launch<XR_SET_OPTIMAL>(a, stream);
  }
}
