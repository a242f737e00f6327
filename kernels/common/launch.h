/* How kernels are launched: one call over cudaLaunchKernelEx, a function, so that the same source is compiled by nvcc for the device and
 * by g++ for the emulator (tests/emu/emu.h). For .cu files; nothing here waits for the device. */
#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include "host/base/status.h"
#include "kernels/common/stream.h"

/* XR_OK, or XR_DEVICE with "<what>: <the error>". */
static inline xr_status xr_cuda_status(cudaError_t error, const char *what) {
  return error == cudaSuccess ? XR_OK : xr_fail(XR_DEVICE, "%s: %s", what, cudaGetErrorString(error));
}

/* Blocks of `each` that cover `count` pieces. */
static inline int64_t xr_blocks(int64_t count, int64_t each) { return (count + each - 1) / each; }

/* Where a kernel runs. A grid may come out as zero blocks: then there is nothing to do and nothing is launched. */
typedef struct {
  int64_t x, y, z; /* blocks; y and z are up to 65,535 */
} xr_grid;

/* Launches kernel(arguments...) in blocks of `threads` with `shared_bytes` of dynamic shared memory (kernels/common/shared.cuh), up to
 * what the device has. `name` is for messages. Arguments are converted to the types of the kernel's parameters. */
template <class... P, class... A>
static inline xr_status xr_launch(const char *name, void (*kernel)(P...), xr_grid grid, dim3 threads, size_t shared_bytes, xr_stream stream,
                                  A... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return XR_OK;
  if (grid.x < 0 || grid.y < 0 || grid.z < 0 || grid.x > INT32_MAX || grid.y > 65535 || grid.z > 65535)
    return xr_fail(XR_BAD_SHAPE, "%s: %lld x %lld x %lld blocks are more than a device can number", name, (long long)grid.x,
                   (long long)grid.y, (long long)grid.z);
  if (shared_bytes > 48 * 1024) /* above this a kernel has to ask */
    XR_TRY(xr_cuda_status(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared_bytes), name));
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3((unsigned)grid.x, (unsigned)grid.y, (unsigned)grid.z);
  config.blockDim = threads;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  const cudaError_t error = cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...);
  if (error == cudaSuccess) return XR_OK;
  return xr_fail(XR_DEVICE, "%s: launch of %u x %u x %u blocks of %u threads with %zu bytes of shared memory: %s", name, config.gridDim.x,
                 config.gridDim.y, config.gridDim.z, threads.x * threads.y * threads.z, shared_bytes, cudaGetErrorString(error));
}

/* One row of blocks. */
template <class... P, class... A>
static inline xr_status xr_launch(const char *name, void (*kernel)(P...), int64_t blocks, dim3 threads, size_t shared_bytes,
                                  xr_stream stream, A... arguments) {
  return xr_launch(name, kernel, xr_grid{blocks, 1, 1}, threads, shared_bytes, stream, arguments...);
}
