/* Finds xr_segments on the device: a warp a sample, in two launches. */
#pragma once

#include "kernels/common/launch.h"
#include "kernels/common/reduce.cuh"
#include "kernels/loss/centre/segments.h"

enum { XR_SEGMENT_THREADS = 256, XR_SEGMENT_SAMPLES = XR_SEGMENT_THREADS / 32 };

static __device__ __forceinline__ int64_t xr_segment_sample() { return (int64_t)blockIdx.x * XR_SEGMENT_SAMPLES + threadIdx.x / 32; }

/* first[i]: the first sample of i's identity. */
static __global__ void __launch_bounds__(XR_SEGMENT_THREADS)
    xr_segments_first_kernel(const xr_segments s, const int32_t *identity, int64_t batch) {
  const int64_t i = xr_segment_sample();
  const int lane = threadIdx.x % 32;
  if (i >= batch) return;
  const int32_t own = identity[i];
  unsigned same = 0;
  int64_t j = 0;
  for (; same == 0; j += 32) same = __ballot_sync(0xffffffffu, j + lane <= i && identity[j + lane] == own); /* i itself ends it */
  if (lane == 0) s.first[i] = (int32_t)(j - 32 + __ffs((int)same) - 1);
}

/* Identities are numbered by their first samples; a sample's place follows from how many come before it. */
static __global__ void __launch_bounds__(XR_SEGMENT_THREADS) xr_segments_place_kernel(const xr_segments s, int64_t batch) {
  const int64_t i = xr_segment_sample();
  const int lane = threadIdx.x % 32;
  if (i >= batch) return;
  const int32_t own = s.first[i];
  int all = 0, number = 0, start = 0, rank = 0;
  for (int64_t j = lane; j < batch; j += 32) {
    const int32_t first = s.first[j];
    all += first == j;
    number += first == j && first < own;
    start += first < own;
    rank += first == own && j < i;
  }
  all = xr_warp_sum(all);
  number = xr_warp_sum(number);
  start = xr_warp_sum(start);
  rank = xr_warp_sum(rank);
  if (lane != 0) return;
  s.segment[i] = number;
  s.order[start + rank] = (int32_t)i;
  if (i == own) s.start[number] = start;
  if (i == 0) {
    s.count[0] = all;
    s.start[all] = (int32_t)batch;
  }
}

static xr_status xr_segments_find_cuda(const char *name, const xr_segments &s, const int32_t *identity, int64_t batch, xr_stream stream) {
  const int64_t blocks = xr_blocks(batch, XR_SEGMENT_SAMPLES);
  XR_TRY(xr_launch(name, xr_segments_first_kernel, blocks, XR_SEGMENT_THREADS, 0, stream, s, identity, batch));
  return xr_launch(name, xr_segments_place_kernel, blocks, XR_SEGMENT_THREADS, 0, stream, s, batch);
}
