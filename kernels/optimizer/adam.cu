/* One launch for all parameters: a block of threads a chunk. 16 bytes read and 12 written for an element, 14 with a bf16 copy. */
#include "kernels/common/launch.h"
#include "kernels/optimizer/adam.h"
#include "kernels/optimizer/chunk.cuh"

/* One segment's constants of one step. */
struct adam_constants {
  float scale, decay, shrink, beta1, rest1, beta2, rest2, step_size, root_scale, eps;
};

static __device__ adam_constants constants_of(const xr_adam &a, const xr_segment &s) {
  const double lr = (double)a.step->lr * (double)s.lr_factor, t = (double)a.step->step;
  adam_constants c;
  c.scale = a.step->gradient_scale;
  c.decay = a.decoupled_decay ? 0.0f : s.weight_decay;
  c.shrink = a.decoupled_decay ? (float)(1 - lr * (double)s.weight_decay) : 1.0f;
  c.beta1 = (float)a.beta1;
  c.rest1 = (float)(1 - a.beta1);
  c.beta2 = (float)a.beta2;
  c.rest2 = (float)(1 - a.beta2);
  c.step_size = (float)(lr / (1 - pow(a.beta1, t)));
  c.root_scale = (float)(1 / sqrt(1 - pow(a.beta2, t)));
  c.eps = s.eps;
  return c;
}

static __device__ __forceinline__ void update(const adam_constants &c, float gradient, float &w, float &m, float &v) {
  const float g = c.scale * gradient + c.decay * w;
  m = c.beta1 * m + c.rest1 * g;
  v = c.beta2 * v + c.rest2 * g * g;
  w = c.shrink * w - c.step_size * m / (sqrtf(v) * c.root_scale + c.eps);
}

static __global__ void __launch_bounds__(XR_CHUNK_THREADS) adam_kernel(const xr_adam a) {
  __shared__ adam_constants shared;
  if (!isfinite(a.step->gradient_scale)) return;
  const xr_chunk chunk = a.table.chunk[blockIdx.x];
  const xr_segment &segment = a.table.segment[chunk.segment];
  if (threadIdx.x == 0) shared = constants_of(a, segment);
  __syncthreads();
  const adam_constants c = shared;
  float *w = a.parameter + chunk.offset, *m = a.first_moment + chunk.offset, *v = a.second_moment + chunk.offset;
  const float *gradient = a.gradient + chunk.offset;
  __nv_bfloat16 *compute = xr_chunk_compute(a.compute, segment, chunk);
  int done = 0;
  if (xr_is_aligned(w, 16) && xr_is_aligned(m, 16) && xr_is_aligned(v, 16) && xr_is_aligned(gradient, 16) && xr_is_aligned(compute, 8)) {
    for (int i = (int)threadIdx.x * 4; i + 4 <= chunk.count; i += XR_CHUNK_THREADS * 4) {
      const float4 g4 = *reinterpret_cast<const float4 *>(gradient + i);
      float4 w4 = *reinterpret_cast<float4 *>(w + i), m4 = *reinterpret_cast<float4 *>(m + i), v4 = *reinterpret_cast<float4 *>(v + i);
      update(c, g4.x, w4.x, m4.x, v4.x);
      update(c, g4.y, w4.y, m4.y, v4.y);
      update(c, g4.z, w4.z, m4.z, v4.z);
      update(c, g4.w, w4.w, m4.w, v4.w);
      *reinterpret_cast<float4 *>(w + i) = w4;
      *reinterpret_cast<float4 *>(m + i) = m4;
      *reinterpret_cast<float4 *>(v + i) = v4;
      if (compute) xr_store_bf16x4(compute + i, w4);
    }
    done = chunk.count & ~3;
  }
  for (int i = done + (int)threadIdx.x; i < chunk.count; i += XR_CHUNK_THREADS) {
    update(c, gradient[i], w[i], m[i], v[i]);
    if (compute) compute[i] = __float2bfloat16_rn(w[i]);
  }
}

extern "C" xr_status xr_adam_cuda(const xr_adam *a, xr_stream stream) {
  if (a->table.chunks == 0) return XR_OK;
  return xr_launch(adam_kernel, dim3((unsigned)a->table.chunks), dim3(XR_CHUNK_THREADS), 0, stream, *a);
}
