/* Streams, events and captured graphs of the emulator. */
#include <criterion/criterion.h>

#include "host/graph/scope_ranges.h"
#include "nvtx3/nvToolsExt.h"
#include "tests/emu/emu.h"
#include "tests/emu/planted.h"

static cudaStream_t a, b;
static cudaEvent_t forked, joined;
static int *device;

static void open_all(void) {
  cr_assert_eq(cudaStreamCreate(&a), cudaSuccess);
  cr_assert_eq(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking), cudaSuccess);
  cr_assert_eq(cudaEventCreateWithFlags(&forked, cudaEventDisableTiming), cudaSuccess);
  cr_assert_eq(cudaEventCreate(&joined), cudaSuccess);
  cr_assert_eq(cudaMalloc((void **)&device, 2 * sizeof *device), cudaSuccess);
}

static void close_all(void) {
  cr_assert_eq(cudaFree(device), cudaSuccess);
  cr_assert_eq(cudaEventDestroy(forked), cudaSuccess);
  cr_assert_eq(cudaEventDestroy(joined), cudaSuccess);
  cr_assert_eq(cudaStreamDestroy(a), cudaSuccess);
  cr_assert_eq(cudaStreamDestroy(b), cudaSuccess);
  cr_assert_eq(cudaStreamDestroy(b), cudaErrorInvalidResourceHandle);
}

static int value(void) {
  int v;
  cr_assert_eq(cudaMemcpy(&v, device, sizeof v, cudaMemcpyDeviceToHost), cudaSuccess);
  return v;
}

/* out = 0, then on b: * 3 + 1, then on a: * 3 + 5. Without the second wait, a does not come after b. */
static void record(bool wait_for_b) {
  cr_assert_eq(cudaMemsetAsync(device, 0, sizeof *device, a), cudaSuccess);
  cr_assert_eq(cudaEventRecord(forked, a), cudaSuccess);
  cr_assert_eq(cudaStreamWaitEvent(b, forked, 0), cudaSuccess);
  cr_assert_eq(plant_step(device, 1, b), cudaSuccess);
  cr_assert_eq(cudaEventRecord(joined, b), cudaSuccess);
  if (wait_for_b) cr_assert_eq(cudaStreamWaitEvent(a, joined, 0), cudaSuccess);
  cr_assert_eq(plant_step(device, 5, a), cudaSuccess);
  if (!wait_for_b) cr_assert_eq(cudaStreamWaitEvent(a, joined, 0), cudaSuccess);
}

Test(streams, run_in_order) {
  open_all();
  record(true);
  cr_assert_eq(cudaStreamSynchronize(a), cudaSuccess);
  cr_assert_eq(value(), 8);
  close_all();
}

static cudaGraphExec_t captured(bool wait_for_b) {
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  cudaStreamCaptureStatus status;
  size_t nodes = 0;
  cr_assert_eq(cudaMemset(device, 0, sizeof *device), cudaSuccess);
  cr_assert_eq(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal), cudaSuccess);
  record(wait_for_b);
  cr_assert_eq(cudaStreamIsCapturing(b, &status), cudaSuccess);
  cr_assert_eq(status, cudaStreamCaptureStatusActive);
  cr_assert_eq(cudaStreamEndCapture(a, &graph), cudaSuccess);
  cr_assert_eq(value(), 0, "captured work must not run");
  cr_assert_eq(cudaGraphGetNodes(graph, NULL, &nodes), cudaSuccess);
  cr_assert_eq(nodes, 3);
  cr_assert_eq(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  cr_assert_eq(cudaGraphDestroy(graph), cudaSuccess);
  return executable;
}

Test(streams, graph_replays_in_any_order_its_edges_allow) {
  open_all();
  cudaGraphExec_t right = captured(true), wrong = captured(false);
  int differ = 0;
  for (uint64_t seed = 0; seed <= 8; seed++) {
    emu_set_seed(seed);
    cr_assert_eq(cudaGraphLaunch(right, a), cudaSuccess);
    cr_assert_eq(value(), 8, "seed %d", (int)seed);
    cr_assert_eq(cudaGraphLaunch(wrong, a), cudaSuccess);
    differ += value() != 8;
  }
  cr_assert_gt(differ, 0, "the forgotten event was not found under any seed");
  cr_assert_eq(cudaGraphExecDestroy(right), cudaSuccess);
  cr_assert_eq(cudaGraphExecDestroy(wrong), cudaSuccess);
  close_all();
}

Test(streams, capture_refuses_what_a_device_refuses) {
  open_all();
  cudaGraph_t graph;
  void *memory = NULL;
  cr_assert_eq(cudaStreamBeginCapture(NULL, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);

  cr_assert_eq(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal), cudaSuccess);
  cr_assert_eq(cudaMalloc(&memory, 16), cudaErrorStreamCaptureUnsupported);
  cr_assert_eq(cudaStreamEndCapture(a, &graph), cudaErrorStreamCaptureInvalidated);
  cr_assert_null(graph);

  cr_assert_eq(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal), cudaSuccess);
  cr_assert_eq(cudaStreamSynchronize(a), cudaErrorStreamCaptureUnsupported);
  cr_assert_eq(cudaStreamEndCapture(a, &graph), cudaErrorStreamCaptureInvalidated);

  cr_assert_eq(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal), cudaSuccess);
  cr_assert_eq(plant_step(device, 1, NULL), cudaErrorStreamCaptureImplicit);
  cr_assert_eq(cudaStreamEndCapture(a, &graph), cudaErrorStreamCaptureInvalidated);

  /* a fork that never joins */
  cr_assert_eq(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal), cudaSuccess);
  cr_assert_eq(cudaMemsetAsync(device, 0, 4, a), cudaSuccess);
  cr_assert_eq(cudaEventRecord(forked, a), cudaSuccess);
  cr_assert_eq(cudaStreamWaitEvent(b, forked, 0), cudaSuccess);
  cr_assert_eq(plant_step(device, 1, b), cudaSuccess);
  cr_assert_eq(cudaStreamEndCapture(b, &graph), cudaErrorStreamCaptureUnmatched);
  cr_assert_eq(cudaStreamEndCapture(a, &graph), cudaErrorStreamCaptureUnjoined);

  /* and nothing of it stays */
  cr_assert_eq(cudaMemset(device, 0, 4), cudaSuccess);
  cr_assert_eq(plant_step(device, 1, b), cudaSuccess);
  cr_assert_eq(value(), 1);
  close_all();
}

static void add_ten(void *data) { *(int *)data += 10; }

Test(streams, host_functions_events_and_ranges) {
  open_all();
  int count = 0;
  float milliseconds = -1;
  cr_assert_eq(cudaEventElapsedTime(&milliseconds, forked, joined), cudaErrorInvalidResourceHandle);
  cr_assert_eq(cudaEventRecord(forked, a), cudaSuccess);
  cr_assert_eq(cudaLaunchHostFunc(a, add_ten, &count), cudaSuccess);
  cr_assert_eq(cudaEventRecord(joined, a), cudaSuccess);
  cr_assert_eq(cudaEventSynchronize(joined), cudaSuccess);
  cr_assert_eq(cudaEventElapsedTime(&milliseconds, forked, joined), cudaSuccess);
  cr_assert_eq(count, 10);
  cr_assert(milliseconds >= 0);
  cr_assert_eq(nvtxRangePushA("outer"), 0);
  cr_assert_eq(nvtxRangePushA("inner"), 1);
  cr_assert_eq(nvtxRangePop(), 1);
  cr_assert_eq(nvtxRangePop(), 0);
  cr_assert_eq(nvtxRangePop(), -2);
  close_all();
}

/* The graph's scopes as ranges: what two paths share stays open between them, whole names only. */
Test(streams, scopes_are_ranges) {
  xr_scope_ranges r = {{0}};
  const char *paths[] = {"visual.blocks.1.attn", "visual.blocks.1.ln_2", "visual.blocks.10.ln_1", "visual", "vis", "", "text.ln"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) xr_scope_ranges_enter(&r, paths[i]);
  xr_scope_ranges_enter(&r, "");
  cr_assert_str_eq(emu_take_ranges(), "visual{blocks{1{attn{}ln_2{}}10{ln_1{}}}}vis{}text{ln{}}");
  cr_assert_str_eq(emu_take_ranges(), "");
}
