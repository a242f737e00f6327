/* xr_gemm_cuda() where there is no cuBLASLt: xr_gemm_cpu() at the place of the product in the stream, eager or in a captured graph. */
#include <cuda_runtime_api.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/linear/gemm.h"

typedef struct call {
  struct call *next; /* of those in captured graphs, which may be replayed until the process ends */
  xr_gemm product;
} call;

static struct {
  pthread_mutex_t lock;
  call *first;
} captured = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void run(void *data) {
  const call *c = data;
  if (xr_gemm_cpu(&c->product) == XR_OK) return;
  fprintf(stderr, "gemm_emu: %s\n", xr_message());
  abort();
}

static void run_once(void *data) {
  run(data);
  free(data);
}

static void keep(call *c) {
  pthread_mutex_lock(&captured.lock);
  c->next = captured.first;
  captured.first = c;
  pthread_mutex_unlock(&captured.lock);
}

size_t xr_gemm_workspace_cuda(const xr_gemm *a) {
  (void)a;
  return 0; /* beyond what xr_gemm_cpu() asks for */
}

xr_status xr_gemm_cuda(const xr_gemm *a, xr_stream stream) {
  XR_TRY(xr_gemm_check(a));
  if (a->activation != XR_ACTIVATION_NONE || a->pre || (a->dtype == XR_F32 && a->c_dtype != XR_F32))
    return xr_fail(XR_UNSUPPORTED, "gemm: not what cuBLASLt would be asked for");
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  if (cudaStreamIsCapturing(stream, &capture) != cudaSuccess) return xr_fail(XR_DEVICE, "gemm: the stream is invalid");
  call *c = calloc(1, sizeof *c);
  if (!c) return xr_fail(XR_NO_MEMORY, "out of memory");
  c->product = *a;
  const bool once = capture == cudaStreamCaptureStatusNone;
  if (!once) keep(c);
  const cudaError_t error = cudaLaunchHostFunc(stream, once ? run_once : run, c);
  return error == cudaSuccess ? XR_OK : xr_fail(XR_DEVICE, "gemm: %s", cudaGetErrorString(error));
}

void xr_gemm_cache_clear_cuda(void) { xr_gemm_cache_clear(); }
