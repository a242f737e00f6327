/* What `xreid bench` can time: single operations at the papers' shapes, recorded as small graphs, so that every backend and both passes
 * come for free. */
#pragma once

#include "host/ops/ops.h"

typedef struct {
  const char *name, *shape; /* shape: for people, at batch 64 */
  /* Records the operation on inputs that need gradients; returns its result. `batch` replaces 64. */
  xr_var (*build)(xr_graph *g, int64_t batch);
  const char *node; /* path of the node to be timed */
} xr_bench_case;

extern const xr_bench_case xr_bench_cases[];
extern const int xr_bench_case_count;
