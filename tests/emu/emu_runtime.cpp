/* The host side of CUDA: memory, streams, events and captured graphs. */
#include <cuda_runtime.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "nvtx3/nvToolsExt.h"
#include "tests/emu/emu.h"

typedef std::function<cudaError_t()> work_item;

/* One captured operation and those it comes after. */
struct CUgraphNode_st {
  work_item work;
  std::set<size_t> after;
};

struct CUgraph_st {
  std::vector<CUgraphNode_st> nodes;
};

struct CUgraphExec_st {
  CUgraph_st graph;
};

struct capture {
  CUgraph_st graph;
  cudaStream_t origin = nullptr;
  std::vector<cudaStream_t> joined; /* streams that take part, origin included */
  bool valid = true;
};

struct CUstream_st {
  std::shared_ptr<capture> captured;
  std::set<size_t> last; /* nodes that its next operation comes after */
};

struct CUevent_st {
  std::chrono::steady_clock::time_point time;
  bool recorded = false;
  std::shared_ptr<capture> captured;
  std::set<size_t> last;
};

static std::recursive_mutex lock;
typedef std::lock_guard<std::recursive_mutex> hold;
static std::set<cudaStream_t> streams;
static std::shared_ptr<capture> active; /* at most one capture at a time */
static std::map<uintptr_t, size_t> device_blocks, pinned_blocks;
static std::map<const void *, int> shared_asked;
static size_t device_used;
static thread_local int current_device;
static thread_local cudaError_t last_error = cudaSuccess;

static cudaError_t failed(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

static cudaError_t failed(cudaError_t error, const char *why) {
  std::fprintf(stderr, "emu: %s\n", why);
  return failed(error);
}

/* A call that a capture does not survive. */
static cudaError_t not_while_capturing(const char *call) {
  hold h(lock);
  if (!active) return cudaSuccess;
  active->valid = false;
  std::fprintf(stderr, "emu: %s while a stream is being captured\n", call);
  return failed(cudaErrorStreamCaptureUnsupported);
}
#define OUTSIDE_CAPTURE(call)                               \
  do {                                                      \
    const cudaError_t outside_ = not_while_capturing(call); \
    if (outside_ != cudaSuccess) return outside_;           \
  } while (0)

/* ---- errors */

static const struct {
  cudaError_t error;
  const char *name, *text;
} errors[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidDevicePointer, "cudaErrorInvalidDevicePointer", "invalid device pointer"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver", "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice", "no kernel image is available for execution on the device"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated", "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureUnmatched, "cudaErrorStreamCaptureUnmatched", "capture was not ended in the same stream as it began"},
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined", "capturing stream has unjoined work"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"}};

const char *cudaGetErrorString(cudaError_t error) {
  for (const auto &e : errors)
    if (e.error == error) return e.text;
  return "unrecognized error code";
}
const char *cudaGetErrorName(cudaError_t error) {
  for (const auto &e : errors)
    if (e.error == error) return e.name;
  return "unrecognized error code";
}
cudaError_t cudaPeekAtLastError(void) { return last_error; }
cudaError_t cudaGetLastError(void) {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

/* ---- the device */

/* The machine that is played (emu.h). */
static int setting(const char *name, int standard) {
  const char *value = std::getenv(name);
  return value && *value ? std::atoi(value) : standard;
}
static int devices() { return setting("EMU_DEVICES", 1); }
static int driver() { return setting("EMU_DRIVER", CUDART_VERSION); }
static size_t device_bytes() { return static_cast<size_t>(setting("EMU_MEMORY_MIB", 8192)) << 20; }

cudaError_t cudaGetDeviceCount(int *count) {
  *count = 0;
  if (driver() < CUDART_VERSION) return failed(cudaErrorInsufficientDriver);
  if (devices() < 1) return failed(cudaErrorNoDevice);
  *count = devices();
  return cudaSuccess;
}
static cudaError_t check_device(int device) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  return error != cudaSuccess ? error : failed(device >= 0 && device < count ? cudaSuccess : cudaErrorInvalidDevice);
}
cudaError_t cudaSetDevice(int device) {
  const cudaError_t error = check_device(device);
  if (error == cudaSuccess) current_device = device;
  return error;
}
cudaError_t cudaGetDevice(int *device) {
  *device = current_device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device) {
  const cudaError_t error = check_device(device);
  if (error != cudaSuccess) return error;
  *p = cudaDeviceProp{};
  std::snprintf(p->name, sizeof p->name, "emulated device");
  p->totalGlobalMem = device_bytes();
  p->sharedMemPerBlock = emu::shared_without_asking;
  p->sharedMemPerBlockOptin = p->sharedMemPerMultiprocessor = emu::max_shared;
  p->warpSize = emu::lanes;
  p->maxThreadsPerBlock = emu::max_threads;
  p->multiProcessorCount = 4;
  p->major = 9;
  p->memoryBusWidth = 64;
  p->l2CacheSize = 1 << 20;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
  const cudaError_t error = check_device(device);
  if (error != cudaSuccess) return error;
  static const std::map<cudaDeviceAttr, int> known = {{cudaDevAttrMaxThreadsPerBlock, emu::max_threads},
                                                      {cudaDevAttrMaxSharedMemoryPerBlock, static_cast<int>(emu::shared_without_asking)},
                                                      {cudaDevAttrWarpSize, emu::lanes},
                                                      {cudaDevAttrClockRate, 1000000},
                                                      {cudaDevAttrMultiProcessorCount, 4},
                                                      {cudaDevAttrMemoryClockRate, 1000000},
                                                      {cudaDevAttrGlobalMemoryBusWidth, 64},
                                                      {cudaDevAttrL2CacheSize, 1 << 20},
                                                      {cudaDevAttrComputeCapabilityMajor, 9},
                                                      {cudaDevAttrComputeCapabilityMinor, 0},
                                                      {cudaDevAttrMaxSharedMemoryPerMultiprocessor, static_cast<int>(emu::max_shared)},
                                                      {cudaDevAttrMaxSharedMemoryPerBlockOptin, static_cast<int>(emu::max_shared)}};
  const auto found = known.find(attribute);
  if (found == known.end()) return failed(cudaErrorInvalidValue);
  *value = found->second;
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize(void) {
  OUTSIDE_CAPTURE("cudaDeviceSynchronize");
  return cudaSuccess;
}
cudaError_t cudaDeviceReset(void) { return cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int *version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int *version) {
  *version = driver();
  return cudaSuccess;
}

/* ---- memory */

static cudaError_t take(void **pointer, size_t bytes, std::map<uintptr_t, size_t> &blocks) {
  *pointer = nullptr;
  if (bytes == 0) return cudaSuccess;
  void *memory = nullptr;
  if (posix_memalign(&memory, 256, bytes)) return failed(cudaErrorMemoryAllocation);
  std::memset(memory, 0xFF, bytes);
  hold h(lock);
  blocks[reinterpret_cast<uintptr_t>(memory)] = bytes;
  *pointer = memory;
  return cudaSuccess;
}

static cudaError_t give_back(void *pointer, std::map<uintptr_t, size_t> &blocks) {
  if (!pointer) return cudaSuccess;
  hold h(lock);
  const auto found = blocks.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == blocks.end()) return failed(cudaErrorInvalidValue, "a pointer is freed that was not allocated, or is freed twice");
  if (&blocks == &device_blocks) device_used -= found->second;
  blocks.erase(found);
  std::free(pointer);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void **pointer, size_t bytes) {
  OUTSIDE_CAPTURE("cudaMalloc");
  hold h(lock);
  if (device_used + bytes > device_bytes()) return failed(cudaErrorMemoryAllocation);
  const cudaError_t error = take(pointer, bytes, device_blocks);
  if (error == cudaSuccess) device_used += bytes;
  return error;
}
cudaError_t cudaFree(void *pointer) {
  OUTSIDE_CAPTURE("cudaFree");
  return give_back(pointer, device_blocks);
}
cudaError_t cudaMallocHost(void **pointer, size_t bytes) { return cudaHostAlloc(pointer, bytes, 0); }
cudaError_t cudaHostAlloc(void **pointer, size_t bytes, unsigned) {
  OUTSIDE_CAPTURE("cudaHostAlloc");
  return take(pointer, bytes, pinned_blocks);
}
cudaError_t cudaFreeHost(void *pointer) { return give_back(pointer, pinned_blocks); }
cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes) {
  hold h(lock);
  *free_bytes = device_bytes() - device_used;
  *total_bytes = device_bytes();
  return cudaSuccess;
}

/* Of the bytes at `pointer`: 1 all lie in one device block, 0 none, -1 some. */
static int on_device(const void *pointer, size_t bytes) {
  hold h(lock);
  const uintptr_t begin = reinterpret_cast<uintptr_t>(pointer), end = begin + bytes;
  auto next = device_blocks.upper_bound(begin);
  if (next != device_blocks.begin()) {
    const auto &before = *std::prev(next);
    if (begin < before.first + before.second) return end <= before.first + before.second ? 1 : -1;
  }
  return next != device_blocks.end() && next->first < end ? -1 : 0;
}

static cudaError_t check_copy(const void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
  const int to_device = on_device(to, bytes), from_device = on_device(from, bytes);
  if (to_device < 0 || from_device < 0) return failed(cudaErrorInvalidValue, "a copy runs past a block of device memory");
  if (kind == cudaMemcpyDefault) return cudaSuccess;
  const bool expect_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool expect_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (expect_to != (to_device == 1) || expect_from != (from_device == 1))
    return failed(cudaErrorInvalidValue, "the direction of a copy is not that of its pointers");
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
  OUTSIDE_CAPTURE("cudaMemcpy");
  if (bytes == 0) return cudaSuccess;
  const cudaError_t error = check_copy(to, from, bytes, kind);
  if (error == cudaSuccess) std::memmove(to, from, bytes);
  return error;
}
cudaError_t cudaMemset(void *to, int value, size_t bytes) {
  OUTSIDE_CAPTURE("cudaMemset");
  return cudaMemsetAsync(to, value, bytes, nullptr);
}
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  const cudaError_t error = check_copy(to, from, bytes, kind);
  if (error != cudaSuccess) return error;
  return emu::submit(stream, [=] {
    std::memmove(to, from, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  if (on_device(to, bytes) != 1) return failed(cudaErrorInvalidValue, "a memset outside device memory");
  return emu::submit(stream, [=] {
    std::memset(to, value, bytes);
    return cudaSuccess;
  });
}

/* ---- streams and events */

static bool known(cudaStream_t stream) {
  hold h(lock);
  return !stream || streams.count(stream);
}

namespace emu {
cudaError_t submit(cudaStream_t stream, std::function<cudaError_t()> work) {
  {
    hold h(lock);
    if (!known(stream)) return failed(cudaErrorInvalidResourceHandle);
    if (!stream && active) {
      active->valid = false;
      return failed(cudaErrorStreamCaptureImplicit, "work for the default stream while another stream is being captured");
    }
    if (stream && stream->captured) {
      CUgraph_st &graph = stream->captured->graph;
      graph.nodes.push_back({std::move(work), stream->last});
      stream->last = {graph.nodes.size() - 1};
      return cudaSuccess;
    }
  }
  return failed(work());
}

cudaError_t check_launch(const void *kernel, dim3 grid, dim3 block, size_t shared_bytes) {
  const uint64_t threads = static_cast<uint64_t>(block.x) * block.y * block.z;
  if (!grid.x || !grid.y || !grid.z || !threads || threads > max_threads || block.z > 64 || grid.x > 0x7fffffffu || grid.y > 65535 ||
      grid.z > 65535)
    return failed(cudaErrorInvalidConfiguration);
  if (setting("EMU_NO_CODE", 0)) return failed(cudaErrorNoKernelImageForDevice);
  hold h(lock);
  const auto asked = shared_asked.find(kernel);
  const size_t allowed = asked == shared_asked.end() ? shared_without_asking : static_cast<size_t>(asked->second);
  return failed(shared_bytes > std::max(allowed, shared_without_asking) ? cudaErrorInvalidValue : cudaSuccess);
}
} // namespace emu

cudaError_t cudaFuncSetAttribute(const void *function, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<size_t>(value) > emu::max_shared) return failed(cudaErrorInvalidValue);
  hold h(lock);
  shared_asked[function] = value;
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) {
  return emu::submit(stream, [=] {
    function(data);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned, int) {
  *stream = new CUstream_st;
  hold h(lock);
  streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t *stream) { return cudaStreamCreateWithPriority(stream, 0, 0); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) { return cudaStreamCreateWithPriority(stream, flags, 0); }
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  hold h(lock);
  if (!streams.erase(stream)) return failed(cudaErrorInvalidResourceHandle);
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (!known(stream)) return failed(cudaErrorInvalidResourceHandle);
  OUTSIDE_CAPTURE("cudaStreamSynchronize");
  return cudaSuccess;
}
cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  hold h(lock);
  if (!known(stream) || !event) return failed(cudaErrorInvalidResourceHandle);
  event->recorded = true;
  event->time = std::chrono::steady_clock::now();
  event->captured = stream ? stream->captured : nullptr;
  event->last = stream && stream->captured ? stream->last : std::set<size_t>();
  return cudaSuccess;
}
/* A stream that waits for an event of a capture takes part in it from then on. */
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  hold h(lock);
  if (!known(stream) || !event) return failed(cudaErrorInvalidResourceHandle);
  if (!event->captured) {
    if (!stream || !stream->captured) return cudaSuccess;
    stream->captured->valid = false;
    return failed(cudaErrorStreamCaptureUnsupported, "a captured stream waits for an event from outside the capture");
  }
  if (event->captured != active) return failed(cudaErrorStreamCaptureInvalidated, "an event recorded in a capture that has ended");
  if (!stream) return failed(cudaErrorStreamCaptureImplicit);
  if (!stream->captured) {
    stream->captured = active;
    stream->last.clear();
    active->joined.push_back(stream);
  }
  stream->last.insert(event->last.begin(), event->last.end());
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->captured && event->captured == active) return not_while_capturing("cudaEventSynchronize");
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (!start->recorded || !end->recorded) return failed(cudaErrorInvalidResourceHandle);
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}

/* ---- graphs */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  hold h(lock);
  if (!stream) return failed(cudaErrorStreamCaptureUnsupported, "the default stream cannot be captured");
  if (!known(stream)) return failed(cudaErrorInvalidResourceHandle);
  if (active) return failed(cudaErrorStreamCaptureUnsupported, "the emulator captures one graph at a time");
  active = std::make_shared<capture>();
  active->origin = stream;
  active->joined = {stream};
  stream->captured = active;
  stream->last.clear();
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status) {
  hold h(lock);
  if (!known(stream)) return failed(cudaErrorInvalidResourceHandle);
  const bool capturing = stream && stream->captured;
  *status = !capturing                ? cudaStreamCaptureStatusNone
            : stream->captured->valid ? cudaStreamCaptureStatusActive
                                      : cudaStreamCaptureStatusInvalidated;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  hold h(lock);
  *graph = nullptr;
  if (!stream || !stream->captured || stream->captured->origin != stream) return failed(cudaErrorStreamCaptureUnmatched);
  std::shared_ptr<capture> done = std::move(active);
  active = nullptr;
  std::set<size_t> reached = stream->last;
  for (size_t n = done->graph.nodes.size(); n-- > 0;) /* nodes come after nodes with smaller numbers only */
    if (reached.count(n)) reached.insert(done->graph.nodes[n].after.begin(), done->graph.nodes[n].after.end());
  for (cudaStream_t s : done->joined)
    if (known(s)) {
      s->captured = nullptr;
      s->last.clear();
    }
  if (!done->valid) return failed(cudaErrorStreamCaptureInvalidated);
  if (reached.size() != done->graph.nodes.size())
    return failed(cudaErrorStreamCaptureUnjoined, "work of another stream was captured that the capturing stream does not wait for");
  *graph = new CUgraph_st(std::move(done->graph));
  return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) {
  for (size_t i = 0; nodes && i < std::min(*count, graph->nodes.size()); i++) nodes[i] = &graph->nodes[i];
  *count = graph->nodes.size();
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long) {
  *executable = new CUgraphExec_st{*graph};
  return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }

/* In the captured order (seed 0), or any other that the edges allow: a forgotten event shows. */
static cudaError_t replay(const CUgraph_st &graph) {
  uint64_t random = emu_seed();
  const bool shuffled = random != 0;
  std::vector<bool> done(graph.nodes.size());
  for (size_t left = graph.nodes.size(); left > 0; left--) {
    std::vector<size_t> ready;
    for (size_t n = 0; n < graph.nodes.size() && (shuffled || ready.empty()); n++)
      if (!done[n] && std::all_of(graph.nodes[n].after.begin(), graph.nodes[n].after.end(), [&](size_t a) { return done[a]; }))
        ready.push_back(n);
    random = random * 6364136223846793005u + 1442695040888963407u;
    const size_t n = ready[(random >> 33) % ready.size()];
    const cudaError_t error = graph.nodes[n].work();
    if (error != cudaSuccess) return error;
    done[n] = true;
  }
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  return emu::submit(stream, [executable] { return replay(executable->graph); });
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

/* ---- profiler ranges */

static thread_local int range_depth;
static thread_local std::string ranges, taken_ranges;
static const size_t most_of_ranges = 1 << 20;

const char *emu_take_ranges(void) {
  taken_ranges = std::move(ranges);
  ranges.clear();
  return taken_ranges.c_str();
}
int nvtxRangePushA(const char *name) {
  if (ranges.size() < most_of_ranges) ranges += std::string(name) + "{";
  return range_depth++;
}
int nvtxRangePop(void) {
  if (ranges.size() < most_of_ranges) ranges += "}";
  if (range_depth == 0) {
    std::fputs("emu: nvtxRangePop without a range\n", stderr);
    return -2;
  }
  return --range_depth;
}
void nvtxMarkA(const char *) {}
