#include <cuda_runtime_api.h>
#include <stdio.h>

#include "host/graph/device_internal.h"
#include "kernels/common/probe.h"

static const double MIB = 1048576.0;

static xr_status failed(cudaError_t error, const char *doing) {
  cudaGetLastError(); /* so that the next call does not report it again */
  return xr_fail(XR_DEVICE, "CUDA: %s: %s", doing, cudaGetErrorString(error));
}

/* ---- memory */
static bool free_bytes_of_device(size_t *free_bytes, size_t *total_bytes) {
  if (cudaMemGetInfo(free_bytes, total_bytes) == cudaSuccess) return true;
  *free_bytes = *total_bytes = 0;
  return false;
}

static void *alloc(size_t bytes) {
  void *memory = NULL;
  cudaError_t error = cudaMalloc(&memory, bytes ? bytes : 1);
  if (error == cudaSuccess) return memory;
  cudaGetLastError();
  size_t free_bytes, total;
  if (error == cudaErrorMemoryAllocation && free_bytes_of_device(&free_bytes, &total))
    xr_fail(XR_NO_MEMORY, "the device is out of memory: %.1f MiB asked for, %.1f of %.1f MiB are free", (double)bytes / MIB,
            (double)free_bytes / MIB, (double)total / MIB);
  else
    xr_fail(XR_NO_MEMORY, "CUDA: %.1f MiB asked for: %s", (double)bytes / MIB, cudaGetErrorString(error));
  return NULL;
}

static void release(void *memory) { cudaFree(memory); }

/* Executors' streams do not wait for the default stream, so a copy here waits for all of them. */
static xr_status copy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind) {
  cudaError_t error = cudaDeviceSynchronize();
  if (error == cudaSuccess) error = cudaMemcpy(to, from, bytes, kind);
  return error == cudaSuccess ? XR_OK : failed(error, "copying");
}

static xr_status write_device(void *to, const void *from, size_t bytes) { return copy(to, from, bytes, cudaMemcpyHostToDevice); }
static xr_status read_device(void *to, const void *from, size_t bytes) { return copy(to, from, bytes, cudaMemcpyDeviceToHost); }

static xr_status zero_device(void *memory, size_t bytes) {
  cudaError_t error = cudaDeviceSynchronize();
  if (error == cudaSuccess) error = cudaMemset(memory, 0, bytes);
  if (error == cudaSuccess) error = cudaDeviceSynchronize();
  return error == cudaSuccess ? XR_OK : failed(error, "zeroing memory");
}

/* ---- streams */
static xr_status stream_new(xr_stream *stream) {
  cudaError_t error = cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking);
  return error == cudaSuccess ? XR_OK : failed(error, "making a stream");
}

static void stream_free(xr_stream stream) { cudaStreamDestroy(stream); }

static xr_status copy_on(void *to, const void *from, size_t bytes, xr_stream stream) {
  cudaError_t error = cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
  return error == cudaSuccess ? XR_OK : failed(error, "copying");
}

/* ---- the current device */
static void name_of_current(char *name, size_t size) {
  struct cudaDeviceProp p;
  int index = 0;
  const bool known = cudaGetDevice(&index) == cudaSuccess && cudaGetDeviceProperties(&p, index) == cudaSuccess;
  snprintf(name, size, "%s", known ? p.name : "unknown");
}

static size_t cache_of_current(void) {
  int index = 0, bytes = 0;
  if (cudaGetDevice(&index) == cudaSuccess) cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, index);
  cudaGetLastError();
  return (size_t)bytes;
}

const xr_device_functions xr_device_functions_cuda = {.alloc = alloc,
                                                      .free = release,
                                                      .write = write_device,
                                                      .read = read_device,
                                                      .zero = zero_device,
                                                      .free_bytes = free_bytes_of_device,
                                                      .stream_new = stream_new,
                                                      .stream_free = stream_free,
                                                      .copy = copy_on,
                                                      .name = name_of_current,
                                                      .cache_bytes = cache_of_current};

/* ---- devices */
static int major_of(int version) { return version / 1000; }
static int minor_of(int version) { return version % 1000 / 10; }

static xr_status count_devices(int *count) {
  cudaError_t error = cudaGetDeviceCount(count);
  if (error == cudaSuccess && *count > 0) return XR_OK;
  cudaGetLastError();
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (error == cudaErrorInsufficientDriver && driver)
    return xr_fail(XR_DEVICE, "CUDA: the driver is for CUDA %d.%d and this build for %d.%d: update the driver", major_of(driver),
                   minor_of(driver), major_of(runtime), minor_of(runtime));
  if (error == cudaErrorInsufficientDriver || !driver) return xr_fail(XR_DEVICE, "CUDA: there is no NVIDIA driver on this machine");
  if (error == cudaErrorNoDevice || error == cudaSuccess)
    return xr_fail(XR_DEVICE, "CUDA: there is no device, or CUDA_VISIBLE_DEVICES hides it");
  return failed(error, "looking for devices");
}

static void name_of(int index, char *name, size_t size) {
  struct cudaDeviceProp p;
  if (cudaGetDeviceProperties(&p, index) == cudaSuccess)
    snprintf(name, size, "%s (compute capability %d.%d, %.0f MiB)", p.name, p.major, p.minor, (double)p.totalGlobalMem / MIB);
  else
    snprintf(name, size, "device %d", index);
}

/* Can this build's kernels run on the current device? */
static xr_status probe(int index) {
  cudaError_t error = (cudaError_t)xr_probe_cuda(NULL);
  if (error == cudaSuccess) error = cudaDeviceSynchronize();
  if (error == cudaSuccess) return XR_OK;
  char name[400];
  int major = 0, minor = 0;
  name_of(index, name, sizeof name);
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index);
  cudaGetLastError();
  if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorInvalidDeviceFunction || error == cudaErrorUnsupportedPtxVersion)
    return xr_fail(XR_DEVICE, "CUDA: this build has no code for %s: build with -D XREID_CUDA_ARCHITECTURES=%d", name, 10 * major + minor);
  return xr_fail(XR_DEVICE, "CUDA: %s: %s", name, cudaGetErrorString(error));
}

xr_status xr_device_select_cuda(int index) {
  int count = 0;
  XR_TRY(count_devices(&count));
  if (index >= count) return xr_fail(XR_DEVICE, "CUDA: there is no device cuda:%d: this machine has %d, counted from 0", index, count);
  cudaError_t error = cudaSetDevice(index);
  if (error != cudaSuccess) return failed(error, "selecting the device");
  return probe(index);
}

void xr_device_list_cuda(void (*line)(void *context, const char *text), void *context) {
  int count = 0, driver = 0, runtime = 0;
  char text[600], name[400];
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  if (driver)
    snprintf(text, sizeof text, "runtime %d.%d, driver for CUDA %d.%d", major_of(runtime), minor_of(runtime), major_of(driver),
             minor_of(driver));
  else
    snprintf(text, sizeof text, "runtime %d.%d, no driver", major_of(runtime), minor_of(runtime));
  line(context, text);
  if (count_devices(&count) != XR_OK) {
    line(context, xr_message());
    return;
  }
  for (int i = 0; i < count; i++) {
    const bool usable = xr_device_select_cuda(i) == XR_OK;
    name_of(i, name, sizeof name);
    snprintf(text, sizeof text, "cuda:%d %s%s%s", i, name, usable ? "" : ": cannot be used: ", usable ? "" : xr_message());
    line(context, text);
  }
}
