#include "tests/emu/planted.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "kernels/common/async_copy.cuh"
#include "kernels/common/shared.cuh"

template <class... P, class... A>
static cudaError_t launch(void (*kernel)(P...), unsigned blocks, dim3 threads, size_t shared, A... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.dynamicSmemBytes = shared;
  return cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...);
}

#define PLANT(name, blocks, threads, shared) \
  cudaError_t plant_##name(int *out) { return launch(name##_kernel, blocks, threads, shared, out); }

/* ---- barriers */

static __global__ void neighbours_kernel(int *out) {
  __shared__ int s[64];
  s[threadIdx.x] = (int)threadIdx.x;
  __syncthreads();
  out[threadIdx.x] = s[threadIdx.x ^ 32];
}
PLANT(neighbours, 1, 64, 0)

static __global__ void missing_barrier_kernel(int *out) {
  __shared__ int s[64];
  s[threadIdx.x] = (int)threadIdx.x;
  out[threadIdx.x] = s[threadIdx.x ^ 32];
}
PLANT(missing_barrier, 1, 64, 0)

static __global__ void two_barriers_kernel(int *out) {
  if (threadIdx.x < 40)
    __syncthreads();
  else
    __syncthreads();
  out[threadIdx.x] = 1;
}
PLANT(two_barriers, 1, 64, 0)

static __global__ void barrier_after_return_kernel(int *out) {
  if (threadIdx.x >= 60) return;
  __syncthreads();
  out[threadIdx.x] = 1;
}
PLANT(barrier_after_return, 3, 64, 0)

static __global__ void barrier_and_exchange_kernel(int *out) {
  if (threadIdx.x == 5) __syncthreads();
  __syncwarp();
  out[threadIdx.x] = 1;
}
PLANT(barrier_and_exchange, 1, 64, 0)

/* ---- warp exchanges */

static __global__ void mask_without_caller_kernel(int *out) {
  const int lane = (int)threadIdx.x % 32;
  if (lane <= 16) out[threadIdx.x] = __shfl_xor_sync(0xffffu, lane, 1);
}
PLANT(mask_without_caller, 1, 32, 0)

static __global__ void mask_of_absent_kernel(int *out) {
  const int lane = (int)threadIdx.x % 32;
  if (lane < 16) out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, lane, 1);
}
PLANT(mask_of_absent, 1, 64, 0)

static __global__ void masks_that_differ_kernel(int *out) {
  const int lane = (int)threadIdx.x;
  if (lane < 4) out[lane] = (int)__ballot_sync(lane < 2 ? 0x0fu : 0x0eu, 1);
}
PLANT(masks_that_differ, 1, 32, 0)

static __global__ void source_outside_mask_kernel(int *out) {
  const int lane = (int)threadIdx.x;
  if (lane < 16) out[lane] = __shfl_sync(0xffffu, lane, 20);
}
PLANT(source_outside_mask, 1, 32, 0)

static __global__ void two_exchanges_kernel(int *out) {
  const int lane = (int)threadIdx.x;
  if (lane < 16)
    out[lane] = __shfl_xor_sync(0xffffffffu, lane, 1);
  else
    out[lane] = __shfl_xor_sync(0xffffffffu, lane, 2);
}
PLANT(two_exchanges, 1, 32, 0)

static __global__ void trap_kernel(int *out) {
  out[threadIdx.x] = 1;
  if (threadIdx.x == 3) __trap();
}
PLANT(trap, 1, 32, 0)

/* Every kind of shuffle, against arithmetic on the lane number. Lower and upper half go separate ways for a while, so that they have
 * made different numbers of exchanges when they meet again. */
static __global__ void exchanges_kernel(int *out) {
  const int l = (int)threadIdx.x % 32;
  const unsigned all = 0xffffffffu;
  int wrong = 0;
  if (l < 16) {
    wrong += __shfl_xor_sync(0xffffu, l, 8) != (l ^ 8);
  } else {
    wrong += __shfl_sync(0xffff0000u, l, 20) != 20;
    wrong += __shfl_sync(0xffff0000u, l * 2, 31) != 62;
  }
  wrong += __shfl_sync(all, l * 10, 7) != 70;
  wrong += __shfl_sync(all, l, 35) != 3; /* modulo the width */
  wrong += __shfl_sync(all, l, 1, 8) != l / 8 * 8 + 1;
  wrong += __shfl_xor_sync(all, l, 16) != (l ^ 16);
  wrong += __shfl_xor_sync(all, l, 8, 4) != ((l ^ 8) / 4 > l / 4 ? l : l ^ 8); /* lower groups may be read, higher ones not */
  wrong += __shfl_down_sync(all, l, 3) != (l + 3 < 32 ? l + 3 : l);
  wrong += __shfl_down_sync(all, l, 3, 16) != (l % 16 + 3 < 16 ? l + 3 : l);
  wrong += __shfl_up_sync(all, l, 5) != (l >= 5 ? l - 5 : l);
  wrong += __shfl_up_sync(all, l, 5, 8) != (l % 8 >= 5 ? l - 5 : l);
  wrong += __shfl_xor_sync(all, 1.5f * (float)l, 1) != 1.5f * (float)(l ^ 1);
  wrong += __shfl_xor_sync(all, (long long)l << 40, 1) != (long long)(l ^ 1) << 40;
  out[l] = wrong;
}
PLANT(exchanges, 1, 32, 0)

static __global__ void votes_kernel(int *out) {
  const int t = (int)threadIdx.x, l = t % 32;
  const unsigned all = 0xffffffffu, odd = 0xaaaaaaaau;
  int wrong = 0;
  wrong += __ballot_sync(all, l % 2) != odd;
  wrong += __any_sync(all, l == 31) != 1;
  wrong += __any_sync(all, 0) != 0;
  wrong += __all_sync(all, l < 32) != 1;
  wrong += __all_sync(all, l != 9) != 0;
  wrong += __match_any_sync(all, l / 8) != 0xffu << l / 8 * 8;
  if (l % 2) wrong += __ballot_sync(odd, l < 8) != (odd & 0xff);
  wrong += __reduce_add_sync(all, l) != 496;
  wrong += __reduce_min_sync(all, -l) != -31;
  wrong += __reduce_max_sync(all, -l) != 0;
  wrong += __reduce_or_sync(all, 1u << l) != all;
  wrong += __reduce_and_sync(all, ~(1u << l)) != 0;
  wrong += __reduce_xor_sync(all, (unsigned)l) != 0;
  wrong += __syncthreads_count(t % 3 == 0) != 86;
  wrong += __syncthreads_and(t < 256) != 1;
  wrong += __syncthreads_and(t != 100) != 0;
  wrong += __syncthreads_or(t == 200) != 1;
  wrong += __syncthreads_or(0) != 0;
  out[t] = wrong;
}
PLANT(votes, 1, 256, 0)

/* ---- memory */

static __global__ void past_global_kernel(int *out) { out[threadIdx.x + 1] = 1; }
PLANT(past_global, 1, 256, 0)

static __global__ void past_static_shared_kernel(int *out) {
  __shared__ int s[32];
  s[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = s[0];
}
PLANT(past_static_shared, 1, 33, 0)

static __global__ void past_dynamic_shared_kernel(int *out) {
  int *s = xr_shared<int>();
  s[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = s[0];
}
PLANT(past_dynamic_shared, 1, 33, 32 * sizeof(int))

static __global__ void read_past_dynamic_kernel(int *out) {
  int *s = xr_shared<int>();
  if (threadIdx.x < 32) s[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = s[threadIdx.x];
}
PLANT(read_past_dynamic, 1, 33, 32 * sizeof(int))

template <int N> static __global__ void unset_static_kernel(int *out) { /* a template: its variables are emitted differently */
  __shared__ float s[N];
  if (threadIdx.x < N - 1) s[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 0) {
    out[blockIdx.x] = __float_as_int(s[N - 1]);
    s[N - 1] = 5; /* not seen by the next block */
  }
}
cudaError_t plant_unset_static(int *out) { return launch(unset_static_kernel<16>, 4, 32, 0, out); }

static __global__ void unset_dynamic_kernel(int *out) {
  float *s = xr_shared<float>();
  if (threadIdx.x == 0) {
    out[blockIdx.x] = __float_as_int(s[7]);
    s[7] = 5;
  }
}
PLANT(unset_dynamic, 4, 32, 32)

static __global__ void last_writer_kernel(int *out) {
  __shared__ int s;
  s = (int)threadIdx.x;
  __syncthreads();
  if (threadIdx.x == 0) *out = s;
}
PLANT(last_writer, 1, 256, 0)

template <int Kind> static __global__ void async_kernel(int *out) {
  uint4 *s = xr_shared<uint4>();
  const int t = (int)threadIdx.x;
  for (int i = 0; i < 4; i++) out[4 * t + i] = 3 * (4 * t + i);
  xr_async_copy16(s + 16 + t, out + 4 * t, false);
  xr_async_commit();
  xr_async_copy16(s + t, out + 4 * t);
  xr_async_commit();
  if (Kind == 0) xr_async_wait<0>();
  if (Kind == 2) xr_async_wait<1>();
  __syncthreads();
  const uint4 zero = s[16 + (t ^ 1)], v = s[t ^ 1];
  if (Kind == 0 && (zero.x | zero.y | zero.z | zero.w)) return; /* leaves the wrong values */
  __syncthreads();
  out[4 * (t ^ 1)] = (int)v.x;
  out[4 * (t ^ 1) + 1] = (int)v.y;
  out[4 * (t ^ 1) + 2] = (int)v.z;
  out[4 * (t ^ 1) + 3] = (int)v.w;
}
cudaError_t plant_async_copy(int *out) { return launch(async_kernel<0>, 1, 16, 512, out); }
cudaError_t plant_async_without_wait(int *out) { return launch(async_kernel<1>, 1, 16, 512, out); }
cudaError_t plant_async_wait_for_older(int *out) { return launch(async_kernel<2>, 1, 16, 512, out); }

static __global__ void stack_overflow_kernel(int *out) {
  volatile int large[80000];
  for (int i = 0; i < 80000; i++) large[i] = i;
  out[0] = large[(unsigned)out[1] % 80000];
}
PLANT(stack_overflow, 1, 1, 0)

static __global__ void atomics_kernel(int *out) {
  float *f = (float *)out;
  unsigned *u = (unsigned *)out;
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  atomicAdd(&out[0], 1);
  atomicAdd(&f[1], 0.5f);
  atomicMax(&out[2], i);
  atomicMin(&out[3], -i);
  atomicOr(&u[4], 1u << i % 32);
  for (int old = out[5], seen; (seen = atomicCAS(&out[5], old, old + 2)) != old;) old = seen;
  atomicInc(&u[6], 9);
  atomicAdd(reinterpret_cast<__nv_bfloat162 *>(&out[7]), __floats2bfloat162_rn(i % 8 == 0 ? 1.0f : 0.0f, i % 64 == 0 ? -2.0f : 0.0f));
}
PLANT(atomics, 40, 96, 0)

/* ---- launches */

static __global__ void idle_kernel(int *out) { out[0] = 7; }
cudaError_t plant_no_blocks(int *out) { return launch(idle_kernel, 0, 32, 0, out); }
cudaError_t plant_too_many_threads(int *out) { return launch(idle_kernel, 1, 1056, 0, out); }
cudaError_t plant_shared_without_asking(int *out) { return launch(idle_kernel, 1, 32, 64 * 1024, out); }

static __global__ void step_kernel(int *out, int add) { out[0] = out[0] * 3 + add; }
cudaError_t plant_step(int *out, int add, cudaStream_t stream) {
  cudaLaunchConfig_t config = {};
  config.gridDim = 1;
  config.blockDim = 1;
  config.stream = stream;
  return cudaLaunchKernelEx(&config, step_kernel, out, add);
}

/* ---- conversions */

uint16_t plant_to_bf16(float f) { return __bfloat16_as_ushort(__float2bfloat16_rn(f)); }
float plant_from_bf16(uint16_t bits) { return __bfloat162float(__ushort_as_bfloat16(bits)); }
uint16_t plant_to_half(float f) {
  const __half h = __float2half_rn(f);
  uint16_t bits;
  memcpy(&bits, &h, sizeof bits);
  return bits;
}
float plant_from_half(uint16_t bits) {
  __half h;
  memcpy(&h, &bits, sizeof bits);
  return __half2float(h);
}
