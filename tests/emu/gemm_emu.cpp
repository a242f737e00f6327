/* Stands for kernels/linear/gemm_cublaslt.c: the CPU's product, in the order of the stream. */
#include <cuda_runtime.h>

#include "kernels/linear/gemm.h"

/* Nothing beyond what xr_gemm_cpu() asks for. */
size_t xr_gemm_workspace_cuda(const xr_gemm *) { return 0; }

xr_status xr_gemm_cuda(const xr_gemm *a, xr_stream stream) {
  XR_TRY(xr_gemm_check(a));
  if (a->activation != XR_ACTIVATION_NONE || a->pre || (a->dtype == XR_F32 && a->c_dtype != XR_F32))
    return xr_fail(XR_UNSUPPORTED, "gemm: not what cuBLASLt would be asked for");
  const xr_gemm product = *a;
  const cudaError_t error = emu::submit(stream, [product] { return xr_gemm_cpu(&product) == XR_OK ? cudaSuccess : cudaErrorInvalidValue; });
  return error == cudaSuccess ? XR_OK : xr_fail_in(XR_DEVICE, "gemm");
}

void xr_gemm_cache_clear_cuda(void) { xr_gemm_cache_clear(); }
