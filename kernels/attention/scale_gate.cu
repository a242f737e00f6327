/* The device's side of scale_gate.h: one warp for each (sample, query). Lane s holds what belongs to scale s. */
#include "kernels/attention/scale_gate.h"

#include "kernels/attention/quad.cuh"
#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"

namespace xr {
namespace {

constexpr int kWarps = 4;
static_assert(XR_SCALE_GATE_MAX_SCALES == 32, "a lane for each scale");

struct gate_row {
  int64_t unit, first, step; /* of [B, M]; row of scale 0 among [B, S, M]; rows from one scale to the next */
  int scales, width, lane;
};

/* False in whole warps that have nothing to do. */
__device__ __forceinline__ bool find_row(const xr_scale_gate &a, gate_row *row) {
  const int64_t unit = blockIdx.x * static_cast<int64_t>(kWarps) + threadIdx.x / 32;
  *row = {unit,
          unit / a.queries * a.scales * a.queries + unit % a.queries,
          a.queries,
          static_cast<int>(a.scales),
          static_cast<int>(a.width),
          static_cast<int>(threadIdx.x % 32)};
  return unit < a.batch * a.queries;
}

template <class T> __global__ void __launch_bounds__(32 * kWarps) scale_gate_forward(const __grid_constant__ xr_scale_gate a, bool quads) {
  __shared__ float shared_gates[kWarps][XR_SCALE_GATE_MAX_SCALES];
  gate_row r;
  if (!find_row(a, &r)) return;
  float *gates = shared_gates[threadIdx.x / 32];
  const bool mine = r.lane < r.scales;
  const float logit = mine ? a.logits[r.first + r.lane * r.step] : -INFINITY;
  const float highest = xr_warp_max(logit), e = mine ? expf(logit - highest) : 0, gate = e / xr_warp_sum(e);
  gates[r.lane] = gate;
  if (mine) a.gates[r.first + r.lane * r.step] = gate;
  __syncwarp();
  const T *z = static_cast<const T *>(a.z) + r.first * r.width;
  for (int column = 4 * r.lane; column < r.width; column += 4 * 32) {
    float4 sum = zero_quad();
    for (int s = 0; s < r.scales; s++) multiply_add(sum, gates[s], read_quad(z + s * r.step * r.width, column, r.width, quads));
    write_quad(static_cast<T *>(a.out) + r.unit * r.width, column, r.width, quads, sum, false);
  }
}

template <class T> __global__ void __launch_bounds__(32 * kWarps) scale_gate_backward(const __grid_constant__ xr_scale_gate a, bool quads) {
  gate_row r;
  if (!find_row(a, &r)) return;
  const T *dout = static_cast<const T *>(a.dout) + r.unit * r.width;
  const float mine = r.lane < r.scales ? a.gates[r.first + r.lane * r.step] : 0;
  float my_product = 0;
  for (int s = 0; s < r.scales; s++) {
    const int64_t start = (r.first + s * r.step) * r.width;
    const float gate = __shfl_sync(~0u, mine, s);
    float product = 0;
    for (int column = 4 * r.lane; column < r.width; column += 4 * 32) {
      const float4 g = read_quad(dout, column, r.width, quads);
      product += dot(g, read_quad(static_cast<const T *>(a.z) + start, column, r.width, quads));
      float4 dz = zero_quad();
      multiply_add(dz, gate, g);
      if (a.dz) write_quad(static_cast<T *>(a.dz) + start, column, r.width, quads, dz, a.accumulate_dz);
    }
    product = xr_warp_sum(product);
    if (r.lane == s) my_product = product;
  }
  const float d = mine * (my_product - xr_warp_sum(mine * my_product));
  if (!a.dlogits || r.lane >= r.scales) return;
  float *place = a.dlogits + r.first + r.lane * r.step;
  *place = a.accumulate_dlogits ? *place + d : d;
}

xr_status run(const xr_scale_gate *a, bool backward, xr_stream stream) {
  XR_TRY(xr_scale_gate_check(a));
  const int64_t blocks = xr_blocks(a->batch * a->queries, kWarps);
  return xr_for_dtype(a->dtype, "scale_gate", [&](auto type) {
    using T = decltype(type);
    const bool quads = rows_are_quads<T>(a->width, {a->z, a->out, a->dout, a->dz});
    return xr_launch("scale_gate", backward ? scale_gate_backward<T> : scale_gate_forward<T>, blocks, 32 * kWarps, 0, stream, *a, quads);
  });
}

} /* namespace */
} /* namespace xr */

xr_status xr_scale_gate_forward_cuda(const xr_scale_gate *a, xr_stream stream) { return xr::run(a, false, stream); }

xr_status xr_scale_gate_backward_cuda(const xr_scale_gate *a, xr_stream stream) { return xr::run(a, true, stream); }
