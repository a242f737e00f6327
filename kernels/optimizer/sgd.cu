/* One launch for all parameters: a block of threads a chunk. 12 bytes read and 8 written for an element, 10 with a bf16 copy. */
#include <math.h>

#include "kernels/common/launch.h"
#include "kernels/optimizer/chunk.cuh"
#include "kernels/optimizer/sgd.h"

/* One segment's constants of one step; `fresh` and `kept` are the weights of g and u in the direction. */
struct sgd_constants {
  float lr, scale, decay, momentum, fresh, kept;
  bool first; /* u is not read */
};

static __device__ __forceinline__ sgd_constants constants_of(const xr_sgd &a, const xr_segment &s) {
  sgd_constants c;
  c.lr = a.step->step >= 1 ? a.step->lr * s.lr_factor : NAN;
  c.scale = a.step->gradient_scale;
  c.decay = s.weight_decay;
  c.momentum = a.momentum;
  c.fresh = a.nesterov ? 1.0f : 0.0f;
  c.kept = a.nesterov ? a.momentum : 1.0f;
  c.first = a.step->step <= 1;
  return c;
}

static __device__ __forceinline__ void update(const sgd_constants &c, float gradient, float &w, float &u) {
  const float g = c.scale * gradient + c.decay * w;
  u = c.first ? g : c.momentum * u + g;
  w -= c.lr * (c.fresh * g + c.kept * u);
}

/* Without momentum the buffer is NULL and u = g lives in a register: momentum 0 in the formula. */
template <bool MOMENTUM> static __global__ void __launch_bounds__(XR_CHUNK_THREADS) sgd_kernel(const xr_sgd a) {
  if (!isfinite(a.step->gradient_scale)) return;
  const xr_chunk chunk = a.table.chunk[blockIdx.x];
  const xr_segment &segment = a.table.segment[chunk.segment];
  const sgd_constants c = constants_of(a, segment);
  float *w = a.parameter + chunk.offset, *u = MOMENTUM ? a.momentum_buffer + chunk.offset : nullptr;
  const float *gradient = a.gradient + chunk.offset;
  __nv_bfloat16 *compute = xr_chunk_compute(a.compute, segment, chunk);
  const bool read_u = MOMENTUM && !c.first;
  int done = 0;
  if (xr_chunk_aligned(compute, w, u, gradient)) {
    for (int i = (int)threadIdx.x * 4; i + 4 <= chunk.count; i += XR_CHUNK_THREADS * 4) {
      float g4[4], w4[4], u4[4] = {0, 0, 0, 0};
      xr_load(g4, gradient + i);
      xr_load(w4, w + i);
      if (read_u) xr_load(u4, u + i);
#pragma unroll
      for (int k = 0; k < 4; k++) update(c, g4[k], w4[k], u4[k]);
      xr_store(w + i, w4);
      if (MOMENTUM) xr_store(u + i, u4);
      if (compute) xr_store_compute(compute + i, w4);
    }
    done = chunk.count / 4 * 4;
  }
  for (int i = done + (int)threadIdx.x; i < chunk.count; i += XR_CHUNK_THREADS) {
    float u1 = read_u ? u[i] : 0;
    update(c, gradient[i], w[i], u1);
    if (MOMENTUM) u[i] = u1;
    if (compute) compute[i] = __float2bfloat16_rn(w[i]);
  }
}

extern "C" xr_status xr_sgd_cuda(const xr_sgd *a, xr_stream stream) {
  XR_TRY(xr_sgd_check(a));
  return xr_launch("sgd", a->momentum > 0 ? sgd_kernel<true> : sgd_kernel<false>, a->table.chunks, XR_CHUNK_THREADS, 0, stream, *a);
}
