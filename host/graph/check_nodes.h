/* Compares two runs of one model node by node: the same recording in two precisions, or on two backends.
 *
 * Before each tick the second run receives the first one's inputs, kept values and incoming gradients, so a difference is the node's own
 * and not inherited. The measure is |a - b| / |b| over a whole result (Euclidean norms). */
#pragma once

#include "host/graph/executor.h"

typedef struct {
  const char *path, *op; /* of the node; they live as long as the first plan's graph */
  bool backward;
  int slot;     /* output, or input whose gradient it is */
  double error; /* relative */
} xr_node_difference;

/* Both executors belong to plans made with no_reuse from graphs with the same nodes, over the same parameters or two sets of them with the
 * same values, and have been fed alike. Runs forward and backward. `worst` receives the `count` largest differences, the largest first.
 * XR_NOT_FINITE or XR_BAD_ARGUMENT (naming the node) at the first difference above `limit`, or when the graphs do not match. */
xr_status xr_check_nodes(xr_executor *first, xr_executor *second, xr_seed seed, double limit, xr_node_difference *worst, int count);
