/* Runs a plan on the plan's backend, in one arena that is allocated once.
 *
 * The CPU executor calls the kernels in order and returns when they are done. The CUDA executor queues them on a stream and returns: it
 * runs the first forward (and the first step) node by node, captures the second into one CUDA graph, and replays that from then on. What a
 * person waits for is fetched by xr_executor_wait(). The sequence of one step:
 *
 *   xr_executor_input() x n, fill     pinned memory on CUDA, one of two buffers: the next batch may be written while a step runs
 *   xr_executor_upload()              optional: starts copying it to the device, beside a step that runs
 *   xr_executor_step()                values, gradients, then the tail (the optimiser)
 *   xr_executor_wait()                now outputs and the tail's results are there
 */
#pragma once

#include "host/base/status.h"
#include "host/graph/plan.h"

typedef struct xr_executor xr_executor;

/* Work that ends every step and is captured with it: the optimiser. Kernels read what changes from step to step from memory. */
typedef struct {
  /* loss: the plan's, [1] on the backend */
  xr_status (*run)(void *context, const float *loss, xr_backend backend, xr_stream stream);
  void *context;
  const void *scalars; /* plain memory, copied to backend_scalars before each step */
  void *backend_scalars;
  size_t scalar_bytes;
  const void *backend_results; /* copied to results (plain memory) after each step; there after xr_executor_wait() */
  void *results;
  size_t result_bytes;
} xr_step_tail;

typedef struct {
  bool poison;              /* dead memory is filled with NaN between ticks: a wrong lifetime shows at once */
  bool check_finite;        /* every float result is searched for NaN and infinity: slow, names the first bad tensor */
  bool no_graph;            /* CUDA: always node by node, each waited for, so that an error names its node */
  bool tf32;                /* CUDA: linear layers in f32 read operands rounded to 10 bits (gemm.h) */
  xr_stream stream;         /* CUDA: lent by the caller, who may share it among executors; NULL: its own */
  void *memory;             /* the plan's arena, lent by the caller (xr_executor_memory_new); NULL: allocated here */
  const xr_step_tail *tail; /* lives as long as the executor; NULL: none */
} xr_executor_options;

/* The plan and its graph's parameters (allocated on the plan's backend) outlive the executor. */
xr_status xr_executor_new(xr_executor **executor, const xr_plan *plan, xr_executor_options options);
void xr_executor_free(xr_executor *executor);

/* Memory for arenas of plans that take turns, `bytes` for the largest. Out of memory: the message names what is asked for, what is free and
 * the batch of `plan` that would fit. Freed by xr_device_free(). */
xr_status xr_executor_memory_new(void **memory, const xr_plan *plan, size_t bytes);

/* Where to write an input before a run: the tensor's elements, in its dtype. Good until the next run starts; ask again for each run. An
 * input that is not asked for keeps what it had. NULL when the device failed. */
void *xr_executor_input(xr_executor *executor, xr_var input);
xr_status xr_executor_upload(xr_executor *executor);

/* Forward only: all nodes. */
xr_status xr_executor_forward(xr_executor *executor, xr_seed seed);
/* Forward, backward and the tail: the parameters' gradient array holds the gradients of the loss afterwards. */
xr_status xr_executor_step(xr_executor *executor, xr_seed seed);

/* Waits for the last run. XR_DEVICE: the device failed in it. */
xr_status xr_executor_wait(xr_executor *executor);
/* An output's value after a run and a wait, in plain memory, until the next run; NULL for a tensor that is no output. */
const void *xr_executor_value(const xr_executor *executor, xr_var v);

/* Runs the last step again without its tail, node by node, and describes the first value or gradient that is not finite: "gradient of
 * visual.ln_post (layernorm): 3 of 768 elements are NaN". XR_NOT_FINITE with that message; XR_OK when all are finite. */
xr_status xr_executor_find_nonfinite(xr_executor *executor, xr_seed seed);

/* ---- tick by tick: for node-by-node comparison (check_nodes.h) and benchmarks */
int xr_executor_tick_count(const xr_executor *executor);
/* The node that runs at a tick, and in which direction. */
const xr_node *xr_executor_tick_node(const xr_executor *executor, int tick, bool *backward);
xr_status xr_executor_run_tick(xr_executor *executor, int tick, xr_seed seed);
/* The same with the seed of the tick before and without waiting: on CUDA it may be captured. */
xr_status xr_executor_queue_tick(xr_executor *executor, int tick);
