/* Runs a plan. The CPU executor calls the kernels in order, in one arena that is allocated once. */
#pragma once

#include "host/base/status.h"
#include "host/graph/plan.h"

typedef struct xr_executor xr_executor;

typedef struct {
  bool poison;       /* dead memory is filled with NaN between ticks: a wrong lifetime shows at once */
  bool check_finite; /* every float result is searched for NaN and infinity: slow, names the first bad tensor */
  void *memory;      /* the plan's arena, aligned to 64, lent by the caller; NULL: allocated here */
} xr_executor_options;

/* The plan and its graph's parameters (allocated) outlive the executor. Out of memory: the message names the plan's figure and the
 * largest tensors. */
xr_status xr_executor_new(xr_executor **executor, const xr_plan *plan, xr_executor_options options);
void xr_executor_free(xr_executor *executor);

/* Where to write an input before a run: the tensor's elements, in its dtype. */
void *xr_executor_input(xr_executor *executor, xr_var input);
/* An output's value after a run; NULL for a tensor that the plan does not keep. */
const void *xr_executor_value(const xr_executor *executor, xr_var v);

/* Forward only: all nodes. */
xr_status xr_executor_forward(xr_executor *executor, xr_seed seed);
/* Forward and backward: the parameters' gradient array holds the gradients of the loss afterwards. */
xr_status xr_executor_step(xr_executor *executor, xr_seed seed);

/* Runs the step again, node by node, and describes the first value or gradient that is not finite: "gradient of visual.ln_post (layernorm):
 * 3 of 768 elements are NaN". XR_NOT_FINITE with that message; XR_OK when all are finite. */
xr_status xr_executor_find_nonfinite(xr_executor *executor, xr_seed seed);

/* ---- tick by tick: for node-by-node comparison (check_nodes.h) and benchmarks */
int xr_executor_tick_count(const xr_executor *executor);
/* The node that runs at a tick, and in which direction. */
const xr_node *xr_executor_tick_node(const xr_executor *executor, int tick, bool *backward);
xr_status xr_executor_run_tick(xr_executor *executor, int tick, xr_seed seed);
