#pragma once

#include "host/graph/executor.h"
#include "host/graph/plan_internal.h"

struct xr_executor {
  const xr_plan *plan;
  xr_executor_options options;
  char *memory;
  xr_run *runs; /* one a tick: every pointer is decided before the first run */
  xr_step_state state;
};

void *xr_executor_piece(const xr_executor *executor, int piece);
