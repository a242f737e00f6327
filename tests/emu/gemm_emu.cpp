/* Stands for kernels/linear/gemm_cublaslt.c: the CPU's product, in the order of the stream. */
#include <cuda_runtime.h>

#include <vector>

#include "kernels/linear/gemm.h"
#include "tests/emu/tf32.h"

/* Nothing beyond what xr_gemm_cpu() asks for. */
size_t xr_gemm_workspace_cuda(const xr_gemm *) { return 0; }

/* A copy of an operand of `rows` stored rows of `cols`. */
static std::vector<float> rounded(const void *from, int64_t rows, int64_t cols, int64_t ld, int64_t batch, int64_t stride) {
  std::vector<float> to(static_cast<size_t>(rows && cols ? (batch - 1) * stride + (rows - 1) * ld + cols : 0));
  for (size_t i = 0; i < to.size(); i++) to[i] = rounded_to_tf32(static_cast<const float *>(from)[i]);
  return to;
}

static xr_status multiply(xr_gemm a) {
  if (!a.tf32 || a.dtype != XR_F32) return xr_gemm_cpu(&a);
  const int64_t batch = a.batch ? a.batch : 1;
  const std::vector<float> left = rounded(a.a, a.transpose_a ? a.k : a.m, a.transpose_a ? a.m : a.k, a.lda, batch, a.stride_a);
  const std::vector<float> right = rounded(a.b, a.transpose_b ? a.n : a.k, a.transpose_b ? a.k : a.n, a.ldb, batch, a.stride_b);
  a.a = left.data();
  a.b = right.data();
  return xr_gemm_cpu(&a);
}

xr_status xr_gemm_cuda(const xr_gemm *a, xr_stream stream) {
  XR_TRY(xr_gemm_check(a));
  if (a->activation != XR_ACTIVATION_NONE || a->pre || (a->dtype == XR_F32 && a->c_dtype != XR_F32))
    return xr_fail(XR_UNSUPPORTED, "gemm: not what cuBLASLt would be asked for");
  const xr_gemm product = *a;
  const cudaError_t error = emu::submit(stream, [product] { return multiply(product) == XR_OK ? cudaSuccess : cudaErrorInvalidValue; });
  return error == cudaSuccess ? XR_OK : xr_fail_in(XR_DEVICE, "gemm");
}

void xr_gemm_cache_clear_cuda(void) { xr_gemm_cache_clear(); }
