/* What the executors of all backends share. */
#pragma once

#include "host/graph/device.h"
#include "host/graph/executor.h"
#include "host/graph/plan_internal.h"

typedef struct xr_executor_backend xr_executor_backend;

struct xr_executor {
  const xr_plan *plan;
  const xr_executor_backend *backend;
  xr_executor_options options;
  char *memory, *own_memory; /* own_memory: NULL when the arena is lent */
  bool *unreached;           /* parameters without a gradient in this graph: zeroed before backward */
  xr_run *runs;              /* one a tick: every pointer is decided before the first run */
  bool node_by_node;         /* the nodes run now, one at a time, and not into a capture */
  void *own;                 /* the backend's */
};

typedef enum { XR_RUN_FORWARD, XR_RUN_STEP, XR_RUN_KINDS } xr_run_sequence;

struct xr_executor_backend {
  xr_status (*open)(xr_executor *e); /* makes `own` */
  void (*close)(xr_executor *e);
  void (*bind)(xr_executor *e, xr_run *run); /* seed and stream */
  void *(*input)(xr_executor *e, int tensor);
  xr_status (*upload)(xr_executor *e);
  /* Inputs and scalars in place, xr_executor_sequence() or its replay, then outputs and results on their way to plain memory. */
  xr_status (*run)(xr_executor *e, xr_seed seed, xr_run_sequence sequence);
  xr_status (*wait)(xr_executor *e);
  const void *(*value)(const xr_executor *e, int tensor);
  /* In the order of the stream: */
  xr_status (*place_inputs)(xr_executor *e); /* what was written since the last run goes to its place in the arena */
  xr_status (*set_scalars)(xr_executor *e, xr_seed seed, const xr_step_tail *tail);
  xr_status (*set_one)(xr_executor *e, float *at); /* *at = 1 */
  xr_status (*fill)(xr_executor *e, void *at, int byte, size_t bytes);
  /* What follows belongs to this scope ("": to none): ranges in a profiler's timeline. */
  void (*range)(xr_executor *e, const char *path);
  /* After a node that runs now: has the device failed? */
  xr_status (*node_end)(xr_executor *e);
};

extern const xr_executor_backend xr_executor_cpu;
#ifdef XREID_CUDA
extern const xr_executor_backend xr_executor_cuda;
#endif

void *xr_executor_piece(const xr_executor *executor, int piece);
/* Is the tensor's value kept to the end of a run? */
bool xr_executor_keeps(const xr_executor *executor, int tensor);

/* The tail of this sequence, or NULL. */
const xr_step_tail *xr_executor_tail(const xr_executor *executor, xr_run_sequence sequence);
/* All nodes of a forward pass or a step and its tail, in the order of the stream. */
xr_status xr_executor_sequence(xr_executor *executor, xr_run_sequence sequence);
