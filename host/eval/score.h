/* What two items score together: higher is more alike. Every evaluation, search and index uses this one rule.
 *
 *   score(q, g) = (1 - w) metric(features of q, features of g) + w similarity(set of q, set of g)
 *
 * The similarity of sets of unit vectors is that of kernels/embedding_set/set_kinds.h. w = 0 needs no sets, w = 1 no features. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "kernels/embedding_set/set_kinds.h"

typedef enum {
  XR_COSINE,    /* q.g / (|q| |g|), lengths below 1e-12 count as 1e-12 */
  XR_DOT,       /* q.g */
  XR_EUCLIDEAN, /* q.g - |g|^2 / 2: the order of the distances |q - g| */
  XR_METRICS
} xr_metric;

/* All zeros is plain cosine. */
typedef struct {
  xr_metric metric;
  float set_weight; /* w, 0..1; above 0 only with cosine or dot: the values of euclidean are an order, not a scale */
  xr_set_kind set_kind;
  float set_sharpness; /* smooth-chamfer's a, above 0 */
} xr_score_rule;

extern const char *const xr_metric_names[XR_METRICS];     /* "cosine", "dot", "euclidean" */
extern const char *const xr_set_kind_names[XR_SET_KINDS]; /* "smooth_chamfer", "chamfer", "mil", "avg", "optimal", "aligned" */

/* The one of this name, or XR_METRICS, XR_SET_KINDS: there is none. */
xr_metric xr_metric_find(const char *name);
xr_set_kind xr_set_kind_find(const char *name);

static inline bool xr_needs_features(const xr_score_rule *rule) { return rule->set_weight < 1; }
static inline bool xr_needs_sets(const xr_score_rule *rule) { return rule->set_weight > 0; }

/* XR_BAD_ARGUMENT: values out of range. XR_BAD_SHAPE: sets of these sizes do not go with the rule (sizes 0: there are no sets). */
xr_status xr_score_rule_check(const xr_score_rule *rule, int64_t query_set_size, int64_t gallery_set_size);
