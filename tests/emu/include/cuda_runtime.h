/* CUDA C++ for g++: put this folder first on the include path and compile the .cu file with -x c++. See tests/emu/emu.h. */
#pragma once

#include <cuda_runtime_api.h>

#include <tuple>
#include <utility>

#include "emu_atomics.h"
#include "emu_math.h"
#include "emu_mma.h"
#include "emu_types.h"
#include "emu_warp.h"

enum cudaLaunchAttributeID { cudaLaunchAttributeIgnore = 0, cudaLaunchAttributeProgrammaticStreamSerialization = 6 };
union cudaLaunchAttributeValue {
  int programmaticStreamSerializationAllowed;
};
struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  cudaLaunchAttributeValue val;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
  cudaLaunchAttribute *attrs = nullptr;
  unsigned numAttrs = 0;
};

template <class... P, class... A> cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(P...), A &&...values) {
  const cudaLaunchConfig_t c = *config;
  const cudaError_t error = emu::check_launch(reinterpret_cast<const void *>(kernel), c.gridDim, c.blockDim, c.dynamicSmemBytes);
  if (error != cudaSuccess) return error;
  std::tuple<std::remove_cv_t<P>...> arguments(static_cast<P>(values)...);
  return emu::submit(c.stream, [c, kernel, arguments] {
    return emu::run_grid(c.gridDim, c.blockDim, c.dynamicSmemBytes, [&] { std::apply(kernel, arguments); });
  });
}

template <class T> cudaError_t cudaMalloc(T **pointer, size_t bytes) { return cudaMalloc(reinterpret_cast<void **>(pointer), bytes); }
template <class T> cudaError_t cudaMallocHost(T **pointer, size_t bytes, unsigned = 0) {
  return cudaMallocHost(reinterpret_cast<void **>(pointer), bytes);
}
template <class T> cudaError_t cudaHostAlloc(T **pointer, size_t bytes, unsigned flags) {
  return cudaHostAlloc(reinterpret_cast<void **>(pointer), bytes, flags);
}
template <class R, class... P> cudaError_t cudaFuncSetAttribute(R (*function)(P...), cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void *>(function), attribute, value);
}
