#include "host/eval/score.h"

#include <math.h>
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

xr_status xr_score_rule_check(const xr_score_rule *rule, int64_t k1, int64_t k2) {
  if ((unsigned)rule->metric >= XR_METRICS || (unsigned)rule->set_kind >= XR_SET_KINDS)
    return xr_fail(XR_BAD_ARGUMENT, "score: there is no metric %d or similarity of sets %d", (int)rule->metric, (int)rule->set_kind);
  if (!(rule->set_weight >= 0 && rule->set_weight <= 1))
    return xr_fail(XR_BAD_ARGUMENT, "score: the weight of the sets is %g, it lies between 0 and 1", (double)rule->set_weight);
  if (!xr_needs_sets(rule)) return XR_OK;
  if (rule->metric == XR_EUCLIDEAN && xr_needs_features(rule))
    return xr_fail(XR_BAD_ARGUMENT, "score: euclidean gives an order and no scale, so sets cannot be mixed in; take cosine or dot");
  if (rule->set_kind == XR_SET_SMOOTH_CHAMFER && !(rule->set_sharpness > 0 && isfinite(rule->set_sharpness)))
    return xr_fail(XR_BAD_ARGUMENT, "score: smooth_chamfer's sharpness is %g, it is above 0", (double)rule->set_sharpness);
  if (!k1 || !k2) return xr_fail(XR_BAD_SHAPE, "score: the sets have the weight %g, but there are none", (double)rule->set_weight);
  if (k1 < 1 || k2 < 1 || k1 > XR_MAX_SET_SIZE || k2 > XR_MAX_SET_SIZE)
    return xr_fail(XR_BAD_SHAPE, "score: sets of %lld and %lld vectors; 1 to %d are supported", (long long)k1, (long long)k2,
                   XR_MAX_SET_SIZE);
  if (rule->set_kind == XR_SET_ALIGNED && k1 != k2)
    return xr_fail(XR_BAD_SHAPE, "score: aligned sets have the same size, these have %lld and %lld vectors", (long long)k1, (long long)k2);
  return XR_OK;
}
