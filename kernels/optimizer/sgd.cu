/* One launch for all parameters: a block of threads a chunk. 12 bytes read and 8 written for an element, 10 with a bf16 copy. */
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

static __device__ __forceinline__ void update(const sgd_constants &c, const float4 &gradient, float4 &w, float4 &u) {
  update(c, gradient.x, w.x, u.x);
  update(c, gradient.y, w.y, u.y);
  update(c, gradient.z, w.z, u.z);
  update(c, gradient.w, w.w, u.w);
}

/* Without momentum the buffer is NULL and u = g lives in a register: momentum 0 in the formula. */
template <bool MOMENTUM>
static __global__ void __launch_bounds__(XR_CHUNK_THREADS) sgd_kernel(const xr_sgd a) {
  if (!isfinite(a.step->gradient_scale)) return;
  const xr_chunk chunk = a.table.chunk[blockIdx.x];
  const xr_segment &segment = a.table.segment[chunk.segment];
  const sgd_constants c = constants_of(a, segment);
  float *w = a.parameter + chunk.offset, *u = MOMENTUM ? a.momentum_buffer + chunk.offset : nullptr;
  const float *gradient = a.gradient + chunk.offset;
  __nv_bfloat16 *compute = xr_chunk_compute(a.compute, segment, chunk);
  const bool read_u = MOMENTUM && !c.first;
  int done = 0;
  if (xr_is_aligned(w, 16) && xr_is_aligned(u, 16) && xr_is_aligned(gradient, 16) && xr_is_aligned(compute, 8)) {
    for (int i = (int)threadIdx.x * 4; i + 4 <= chunk.count; i += XR_CHUNK_THREADS * 4) {
      const float4 g4 = *reinterpret_cast<const float4 *>(gradient + i);
      float4 w4 = *reinterpret_cast<float4 *>(w + i), u4 = make_float4(0, 0, 0, 0);
      if (read_u) u4 = *reinterpret_cast<float4 *>(u + i);
      update(c, g4, w4, u4);
      *reinterpret_cast<float4 *>(w + i) = w4;
      if (MOMENTUM) *reinterpret_cast<float4 *>(u + i) = u4;
      if (compute) xr_store_bf16x4(compute + i, w4);
    }
    done = chunk.count & ~3;
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
  if (a->table.chunks == 0) return XR_OK;
  return xr_launch(a->momentum > 0 ? sgd_kernel<true> : sgd_kernel<false>, dim3((unsigned)a->table.chunks), dim3(XR_CHUNK_THREADS), 0,
                   stream, *a);
}
