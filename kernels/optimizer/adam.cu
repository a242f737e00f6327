/* One launch for all parameters: a block of threads a chunk. 16 bytes read and 12 written for an element, 14 with a bf16 copy. */
#include <math.h>

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
  if (xr_chunk_aligned(compute, w, m, v, gradient)) {
    for (int i = (int)threadIdx.x * 4; i + 4 <= chunk.count; i += XR_CHUNK_THREADS * 4) {
      float g4[4], w4[4], m4[4], v4[4];
      xr_load(g4, gradient + i);
      xr_load(w4, w + i);
      xr_load(m4, m + i);
      xr_load(v4, v + i);
#pragma unroll
      for (int k = 0; k < 4; k++) update(c, g4[k], w4[k], m4[k], v4[k]);
      xr_store(w + i, w4);
      xr_store(m + i, m4);
      xr_store(v + i, v4);
      if (compute) xr_store_compute(compute + i, w4);
    }
    done = chunk.count / 4 * 4;
  }
  for (int i = done + (int)threadIdx.x; i < chunk.count; i += XR_CHUNK_THREADS) {
    update(c, gradient[i], w[i], m[i], v[i]);
    if (compute) compute[i] = __float2bfloat16_rn(w[i]);
  }
}

extern "C" xr_status xr_adam_cuda(const xr_adam *a, xr_stream stream) {
  return xr_launch("adam", adam_kernel, a->table.chunks, XR_CHUNK_THREADS, 0, stream, *a);
}
