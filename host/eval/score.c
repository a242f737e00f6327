#include "host/eval/score.h"

#include <string.h>

const char *const xr_metric_names[XR_METRICS] = {[XR_COSINE] = "cosine", [XR_DOT] = "dot", [XR_EUCLIDEAN] = "euclidean"};

const char *const xr_set_kind_names[XR_SET_KINDS] = {[XR_SET_SMOOTH_CHAMFER] = "smooth_chamfer",
                                                     [XR_SET_CHAMFER] = "chamfer",
                                                     [XR_SET_MIL] = "mil",
                                                     [XR_SET_AVERAGE] = "avg",
                                                     [XR_SET_OPTIMAL] = "optimal",
                                                     [XR_SET_ALIGNED] = "aligned"};

static int find(const char *const *names, int count, const char *name) {
  int i = 0;
  while (i < count && strcmp(names[i], name) != 0) i++;
  return i;
}

xr_metric xr_metric_find(const char *name) { return (xr_metric)find(xr_metric_names, XR_METRICS, name); }

xr_set_kind xr_set_kind_find(const char *name) { return (xr_set_kind)find(xr_set_kind_names, XR_SET_KINDS, name); }
