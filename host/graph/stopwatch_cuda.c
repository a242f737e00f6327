#include <cuda_runtime_api.h>
#include <stdlib.h>

#include "host/graph/stopwatch_internal.h"

typedef struct {
  cudaEvent_t start, end;
  cudaGraphExec_t replay;
} clock_cuda;

static xr_status status_of(cudaError_t error, const char *doing) {
  if (error == cudaSuccess) return XR_OK;
  cudaGetLastError(); /* so that the next call does not report it again */
  return xr_fail(XR_DEVICE, "CUDA: %s: %s", doing, cudaGetErrorString(error));
}

xr_status xr_stopwatch_open_cuda(xr_stopwatch *w) {
  clock_cuda *c = w->own = calloc(1, sizeof *c);
  if (!c) return xr_fail(XR_NO_MEMORY, "out of memory");
  XR_TRY(status_of(cudaEventCreate(&c->start), "making an event"));
  return status_of(cudaEventCreate(&c->end), "making an event");
}

void xr_stopwatch_close_cuda(xr_stopwatch *w) {
  clock_cuda *c = w->own;
  if (!c) return;
  if (c->replay) cudaGraphExecDestroy(c->replay);
  if (c->start) cudaEventDestroy(c->start);
  if (c->end) cudaEventDestroy(c->end);
  free(c);
}

static xr_status capture(xr_stopwatch *w, clock_cuda *c) {
  cudaGraph_t graph = NULL;
  XR_TRY(status_of(cudaStreamBeginCapture(w->stream, cudaStreamCaptureModeThreadLocal), "starting a capture"));
  xr_status status = w->work.queue(w->work.context, w->stream);
  cudaError_t error = cudaStreamEndCapture(w->stream, &graph);
  if (status == XR_OK) status = status_of(error, "ending a capture");
  if (status == XR_OK) status = status_of(cudaGraphInstantiate(&c->replay, graph, 0), "making the graph");
  if (status == XR_OK) status = status_of(cudaGraphUpload(c->replay, w->stream), "placing the graph");
  if (graph) cudaGraphDestroy(graph);
  return status;
}

xr_status xr_stopwatch_run_cuda(xr_stopwatch *w, double *seconds) {
  clock_cuda *c = w->own;
  float milliseconds = 0;
  if (w->runs == 1 && !w->work.no_graph) XR_TRY(capture(w, c));
  XR_TRY(status_of(cudaEventRecord(c->start, w->stream), "recording an event"));
  if (c->replay)
    XR_TRY(status_of(cudaGraphLaunch(c->replay, w->stream), "starting the captured work"));
  else
    XR_TRY(w->work.queue(w->work.context, w->stream));
  XR_TRY(status_of(cudaEventRecord(c->end, w->stream), "recording an event"));
  XR_TRY(status_of(cudaEventSynchronize(c->end), "the device failed"));
  XR_TRY(status_of(cudaEventElapsedTime(&milliseconds, c->start, c->end), "reading the clock"));
  *seconds = (double)milliseconds * 1e-3;
  return XR_OK;
}
