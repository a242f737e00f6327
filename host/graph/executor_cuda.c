/* The CUDA executor: one stream for kernels, one for inputs on their way in.
 *
 *   copy stream      [batch k+1 to the device]
 *   compute stream   [inputs, scalars in place][step k: one graph][outputs to the host] done
 *
 * Inputs pass through two pinned buffers and two on the device, so that a batch travels while the step before it runs; a copy inside the
 * device then puts them in the arena. Everything that a captured graph reads lies at fixed addresses. */
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/graph/executor_internal.h"
#include "host/graph/scope_ranges.h"

enum { SLOTS = 2 };

typedef struct { /* a tensor and its place in the pinned buffers */
  int tensor;
  size_t offset, bytes;
  enum { EMPTY, WRITTEN, SENT } state; /* of an input in the current slot */
} place;

typedef struct {
  place *places;
  int count;
  size_t bytes; /* of all of them */
} places;

typedef struct { /* what kernels read anew in every step */
  xr_seed seed;
  float one;
} scalars;

typedef struct {
  cudaStream_t compute, copy, own_compute; /* own_compute: NULL when the stream is lent */
  cudaEvent_t sent[SLOTS];                 /* copy stream: the slot's inputs are on the device */
  cudaEvent_t taken[SLOTS];                /* compute stream: the slot's inputs are in the arena */
  cudaEvent_t scalars_taken[SLOTS], done;
  places inputs, outputs;
  char *host_inputs[SLOTS], *device_inputs[SLOTS], *host_scalars[SLOTS], *host_outputs; /* host: pinned */
  scalars *now;                                                                         /* on the device */
  int slot, scalars_slot;
  bool slot_ready; /* the host may write into the slot */
  bool results_wanted;
  int64_t runs[XR_RUN_KINDS];
  cudaGraphExec_t replay[XR_RUN_KINDS];
  xr_scope_ranges ranges;
} cuda;

static xr_status status_of(cudaError_t error, const char *doing) {
  if (error == cudaSuccess) return XR_OK;
  cudaGetLastError(); /* so that the next call does not report it again */
  return xr_fail(XR_DEVICE, "CUDA: %s: %s", doing, cudaGetErrorString(error));
}

#define TRY_CUDA(call, doing)                                           \
  do {                                                                  \
    cudaError_t cuda_error = (call);                                    \
    if (cuda_error != cudaSuccess) return status_of(cuda_error, doing); \
  } while (0)

/* ---- life */
static size_t aligned(size_t bytes) { return (bytes + XR_PLAN_ALIGNMENT - 1) / XR_PLAN_ALIGNMENT * XR_PLAN_ALIGNMENT; }

static xr_status add_places(const xr_executor *e, places *list, bool inputs) {
  const xr_graph *g = e->plan->graph;
  list->places = calloc((size_t)g->tensor_count, sizeof *list->places);
  if (!list->places) return xr_fail(XR_NO_MEMORY, "out of memory");
  for (int t = 1; t < g->tensor_count; t++) {
    const xr_tensor *tensor = g->tensors[t];
    const bool output = tensor->is_output || t == e->plan->loss;
    if (inputs ? tensor->kind != XR_TENSOR_INPUT : !output || !xr_executor_keeps(e, t)) continue;
    list->places[list->count++] = (place){.tensor = t, .offset = list->bytes, .bytes = xr_tensor_bytes(tensor)};
    list->bytes += aligned(xr_tensor_bytes(tensor));
  }
  return XR_OK;
}

static xr_status pinned(char **memory, size_t bytes) {
  cudaError_t error = cudaHostAlloc((void **)memory, bytes + 1, cudaHostAllocPortable);
  if (error == cudaSuccess) return XR_OK;
  cudaGetLastError();
  return xr_fail(XR_NO_MEMORY, "CUDA: %zu bytes of pinned memory: %s", bytes, cudaGetErrorString(error));
}

static xr_status event(cudaEvent_t *e) { return status_of(cudaEventCreateWithFlags(e, cudaEventDisableTiming), "making an event"); }

static size_t tail_bytes(const xr_executor *e, bool results) {
  const xr_step_tail *tail = e->options.tail;
  return !tail ? 0 : results ? tail->result_bytes : tail->scalar_bytes;
}

static xr_status make(xr_executor *e, cuda *c) {
  XR_TRY(add_places(e, &c->inputs, true));
  XR_TRY(add_places(e, &c->outputs, false));
  c->compute = e->options.stream;
  if (!c->compute) TRY_CUDA(cudaStreamCreateWithFlags(&c->own_compute, cudaStreamNonBlocking), "making a stream");
  if (!c->compute) c->compute = c->own_compute;
  TRY_CUDA(cudaStreamCreateWithFlags(&c->copy, cudaStreamNonBlocking), "making a stream");
  XR_TRY(event(&c->done));
  for (int i = 0; i < SLOTS; i++) {
    XR_TRY(event(&c->sent[i]));
    XR_TRY(event(&c->taken[i]));
    XR_TRY(event(&c->scalars_taken[i]));
    XR_TRY(pinned(&c->host_inputs[i], c->inputs.bytes));
    XR_TRY(pinned(&c->host_scalars[i], aligned(sizeof(scalars)) + tail_bytes(e, false)));
    XR_TRY(xr_device_alloc(XR_CUDA, (void **)&c->device_inputs[i], c->inputs.bytes));
  }
  XR_TRY(pinned(&c->host_outputs, c->outputs.bytes + tail_bytes(e, true)));
  return xr_device_alloc(XR_CUDA, (void **)&c->now, sizeof(scalars));
}

static xr_status open_cuda(xr_executor *e) {
  cuda *c = calloc(1, sizeof *c);
  if (!c) return xr_fail(XR_NO_MEMORY, "out of memory");
  e->own = c;
  return make(e, c);
}

static void close_cuda(xr_executor *e) {
  cuda *c = e->own;
  cudaDeviceSynchronize();
  for (int i = 0; i < XR_RUN_KINDS; i++)
    if (c->replay[i]) cudaGraphExecDestroy(c->replay[i]);
  for (int i = 0; i < SLOTS; i++) {
    cudaEvent_t events[] = {c->sent[i], c->taken[i], c->scalars_taken[i]};
    for (size_t k = 0; k < sizeof events / sizeof *events; k++)
      if (events[k]) cudaEventDestroy(events[k]);
    if (c->host_inputs[i]) cudaFreeHost(c->host_inputs[i]);
    if (c->host_scalars[i]) cudaFreeHost(c->host_scalars[i]);
    xr_device_free(XR_CUDA, c->device_inputs[i]);
  }
  if (c->done) cudaEventDestroy(c->done);
  if (c->host_outputs) cudaFreeHost(c->host_outputs);
  xr_device_free(XR_CUDA, c->now);
  if (c->own_compute) cudaStreamDestroy(c->own_compute);
  if (c->copy) cudaStreamDestroy(c->copy);
  free(c->inputs.places);
  free(c->outputs.places);
  free(c);
}

static void bind(xr_executor *e, xr_run *run) {
  cuda *c = e->own;
  run->seed = &c->now->seed;
  run->stream = c->compute;
}

/* ---- inputs */
static void *input(xr_executor *e, int tensor) {
  cuda *c = e->own;
  if (!c->slot_ready && status_of(cudaEventSynchronize(c->taken[c->slot]), "waiting for a buffer of inputs") != XR_OK) return NULL;
  c->slot_ready = true;
  for (int i = 0; i < c->inputs.count; i++) {
    place *p = &c->inputs.places[i];
    if (p->tensor != tensor) continue;
    p->state = WRITTEN;
    return c->host_inputs[c->slot] + p->offset;
  }
  xr_fail(XR_BAD_ARGUMENT, "tensor %d is no input", tensor);
  return NULL;
}

static xr_status upload(xr_executor *e) {
  cuda *c = e->own;
  bool any = false;
  for (int i = 0; i < c->inputs.count; i++) {
    place *p = &c->inputs.places[i];
    if (p->state != WRITTEN) continue;
    if (!any) TRY_CUDA(cudaStreamWaitEvent(c->copy, c->taken[c->slot], 0), "ordering streams");
    any = true;
    TRY_CUDA(cudaMemcpyAsync(c->device_inputs[c->slot] + p->offset, c->host_inputs[c->slot] + p->offset, p->bytes, cudaMemcpyHostToDevice,
                             c->copy),
             "copying inputs");
    p->state = SENT;
  }
  return any ? status_of(cudaEventRecord(c->sent[c->slot], c->copy), "recording an event") : XR_OK;
}

static xr_status place_inputs(xr_executor *e) {
  cuda *c = e->own;
  bool any = false;
  XR_TRY(upload(e));
  for (int i = 0; i < c->inputs.count; i++) {
    place *p = &c->inputs.places[i];
    if (p->state != SENT) continue;
    if (!any) TRY_CUDA(cudaStreamWaitEvent(c->compute, c->sent[c->slot], 0), "ordering streams");
    any = true;
    TRY_CUDA(cudaMemcpyAsync(xr_executor_piece(e, e->plan->value[p->tensor]), c->device_inputs[c->slot] + p->offset, p->bytes,
                             cudaMemcpyDeviceToDevice, c->compute),
             "placing inputs");
    p->state = EMPTY;
  }
  if (!any) return XR_OK;
  TRY_CUDA(cudaEventRecord(c->taken[c->slot], c->compute), "recording an event");
  c->slot = (c->slot + 1) % SLOTS;
  c->slot_ready = false;
  return XR_OK;
}

static xr_status set_scalars(xr_executor *e, xr_seed seed, const xr_step_tail *tail) {
  cuda *c = e->own;
  const int slot = c->scalars_slot;
  char *host = c->host_scalars[slot];
  const scalars next = {.seed = seed, .one = 1};
  TRY_CUDA(cudaEventSynchronize(c->scalars_taken[slot]), "waiting for the step before");
  memcpy(host, &next, sizeof next);
  TRY_CUDA(cudaMemcpyAsync(c->now, host, sizeof next, cudaMemcpyHostToDevice, c->compute), "copying the step's scalars");
  if (tail) {
    host += aligned(sizeof next);
    memcpy(host, tail->scalars, tail->scalar_bytes);
    TRY_CUDA(cudaMemcpyAsync(tail->backend_scalars, host, tail->scalar_bytes, cudaMemcpyHostToDevice, c->compute),
             "copying the step's scalars");
  }
  c->scalars_slot = (slot + 1) % SLOTS;
  return status_of(cudaEventRecord(c->scalars_taken[slot], c->compute), "recording an event");
}

/* ---- in the order of the stream */
static xr_status set_one(xr_executor *e, float *at) {
  cuda *c = e->own;
  return status_of(cudaMemcpyAsync(at, &c->now->one, sizeof *at, cudaMemcpyDeviceToDevice, c->compute), "the loss's gradient");
}

static xr_status fill(xr_executor *e, void *at, int byte, size_t bytes) {
  return status_of(cudaMemsetAsync(at, byte, bytes, ((cuda *)e->own)->compute), "filling memory");
}

static void range(xr_executor *e, const char *path) { xr_scope_ranges_enter(&((cuda *)e->own)->ranges, path); }

static xr_status node_end(xr_executor *e) {
  cudaError_t error = cudaStreamSynchronize(((cuda *)e->own)->compute), last = cudaGetLastError();
  return status_of(error != cudaSuccess ? error : last, "the device failed");
}

/* Outputs and the tail's results to pinned memory. */
static xr_status fetch(xr_executor *e, const xr_step_tail *tail) {
  cuda *c = e->own;
  for (int i = 0; i < c->outputs.count; i++) {
    const place *p = &c->outputs.places[i];
    TRY_CUDA(cudaMemcpyAsync(c->host_outputs + p->offset, xr_executor_piece(e, e->plan->value[p->tensor]), p->bytes, cudaMemcpyDeviceToHost,
                             c->compute),
             "copying outputs");
  }
  if (!tail) return XR_OK;
  return status_of(
      cudaMemcpyAsync(c->host_outputs + c->outputs.bytes, tail->backend_results, tail->result_bytes, cudaMemcpyDeviceToHost, c->compute),
      "copying results");
}

/* ---- runs */
static xr_status run_now(xr_executor *e, xr_run_sequence sequence) {
  e->node_by_node = true;
  xr_status status = xr_executor_sequence(e, sequence);
  e->node_by_node = false;
  range(e, ""); /* a node that failed left its own open */
  return status == XR_OK ? fetch(e, xr_executor_tail(e, sequence)) : status;
}

/* Records what run_now() does instead of doing it. */
static xr_status capture(xr_executor *e, xr_run_sequence sequence) {
  cuda *c = e->own;
  cudaGraph_t graph = NULL;
  TRY_CUDA(cudaStreamBeginCapture(c->compute, cudaStreamCaptureModeThreadLocal), "starting a capture");
  xr_status status = xr_executor_sequence(e, sequence);
  if (status == XR_OK) status = fetch(e, xr_executor_tail(e, sequence));
  cudaError_t error = cudaStreamEndCapture(c->compute, &graph);
  if (status == XR_OK) status = status_of(error, "ending a capture");
  if (status == XR_OK) status = status_of(cudaGraphInstantiate(&c->replay[sequence], graph, 0), "making the graph");
  if (graph) cudaGraphDestroy(graph);
  return status == XR_OK ? XR_OK : xr_fail_in(status, "capturing the step (--no-graph runs it node by node)");
}

static xr_status run(xr_executor *e, xr_seed seed, xr_run_sequence sequence) {
  cuda *c = e->own;
  const xr_step_tail *tail = xr_executor_tail(e, sequence);
  const bool graph = !e->options.no_graph && !e->options.check_finite && c->runs[sequence]++ > 0;
  XR_TRY(place_inputs(e));
  XR_TRY(set_scalars(e, seed, tail));
  if (graph && !c->replay[sequence]) XR_TRY(capture(e, sequence));
  if (graph)
    TRY_CUDA(cudaGraphLaunch(c->replay[sequence], c->compute), "starting the captured step");
  else
    XR_TRY(run_now(e, sequence));
  c->results_wanted = tail != NULL;
  return status_of(cudaEventRecord(c->done, c->compute), "recording an event");
}

static xr_status wait_cuda(xr_executor *e) {
  cuda *c = e->own;
  const xr_step_tail *tail = e->options.tail;
  cudaError_t error = cudaEventSynchronize(c->done);
  if (error != cudaSuccess) {
    XR_TRY(xr_fail_in(status_of(error, "the device failed in a captured step"), "run again with --no-graph to see in which node"));
  }
  if (c->results_wanted) memcpy(tail->results, c->host_outputs + c->outputs.bytes, tail->result_bytes);
  c->results_wanted = false;
  return XR_OK;
}

static const void *value(const xr_executor *e, int tensor) {
  const cuda *c = e->own;
  for (int i = 0; i < c->outputs.count; i++)
    if (c->outputs.places[i].tensor == tensor) return c->host_outputs + c->outputs.places[i].offset;
  return NULL;
}

const xr_executor_backend xr_executor_cuda = {.open = open_cuda,
                                              .close = close_cuda,
                                              .bind = bind,
                                              .input = input,
                                              .upload = upload,
                                              .run = run,
                                              .wait = wait_cuda,
                                              .value = value,
                                              .place_inputs = place_inputs,
                                              .set_scalars = set_scalars,
                                              .set_one = set_one,
                                              .fill = fill,
                                              .range = range,
                                              .node_end = node_end};
