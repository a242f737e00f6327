#include <stdlib.h>
#include <string.h>

#include "host/graph/executor_internal.h"

static xr_status open_cpu(xr_executor *e) {
  e->own = calloc(1, sizeof(xr_seed));
  e->node_by_node = true;
  return e->own ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory");
}

static void close_cpu(xr_executor *e) { free(e->own); }

static void bind(xr_executor *e, xr_run *run) { run->seed = e->own; }

static void *input(xr_executor *e, int tensor) { return xr_executor_piece(e, e->plan->value[tensor]); }

static const void *value(const xr_executor *e, int tensor) {
  return xr_executor_keeps(e, tensor) ? xr_executor_piece(e, e->plan->value[tensor]) : NULL;
}

static xr_status nothing(xr_executor *e) {
  (void)e;
  return XR_OK;
}

static xr_status set_scalars(xr_executor *e, xr_seed seed, const xr_step_tail *tail) {
  *(xr_seed *)e->own = seed;
  if (tail) memcpy(tail->backend_scalars, tail->scalars, tail->scalar_bytes);
  return XR_OK;
}

static xr_status set_one(xr_executor *e, float *at) {
  (void)e;
  *at = 1;
  return XR_OK;
}

static xr_status fill(xr_executor *e, void *at, int byte, size_t bytes) {
  (void)e;
  memset(at, byte, bytes);
  return XR_OK;
}

static xr_status run(xr_executor *e, xr_seed seed, xr_run_sequence sequence) {
  const xr_step_tail *tail = xr_executor_tail(e, sequence);
  XR_TRY(set_scalars(e, seed, tail));
  XR_TRY(xr_executor_sequence(e, sequence));
  if (tail) memcpy(tail->results, tail->backend_results, tail->result_bytes);
  return XR_OK;
}

static void range(xr_executor *e, const char *path) { (void)e, (void)path; }

const xr_executor_backend xr_executor_cpu = {.open = open_cpu,
                                             .close = close_cpu,
                                             .bind = bind,
                                             .input = input,
                                             .upload = nothing,
                                             .run = run,
                                             .wait = nothing,
                                             .value = value,
                                             .place_inputs = nothing,
                                             .set_scalars = set_scalars,
                                             .set_one = set_one,
                                             .fill = fill,
                                             .range = range,
                                             .node_end = nothing};
