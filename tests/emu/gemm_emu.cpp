/* Stands for kernels/linear/gemm_cublaslt.c: the CPU's product, in the order of the stream. */
#include <cuda_runtime.h>

#include "kernels/linear/gemm.h"

xr_status xr_gemm_cuda(const xr_gemm *a, xr_stream stream) {
  const xr_gemm product = *a;
  const cudaError_t error = emu::submit(stream, [product] { return xr_gemm_cpu(&product) == XR_OK ? cudaSuccess : cudaErrorInvalidValue; });
  return error == cudaSuccess ? XR_OK : xr_fail_in(XR_DEVICE, "gemm");
}
