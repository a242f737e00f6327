#pragma once

#include "host/graph/executor.h"
#include "host/graph/plan_internal.h"

struct xr_executor {
  const xr_plan *plan;
  xr_executor_options options;
  char *memory, *own_memory; /* own_memory: NULL when the arena is lent */
  bool *unreached;           /* parameters without a gradient in this graph: zeroed before backward */
  xr_run *runs;              /* one a tick: every pointer is decided before the first run */
  xr_seed seed;
};

void *xr_executor_piece(const xr_executor *executor, int piece);
