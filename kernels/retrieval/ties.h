/* What happens to gallery items with equal scores. -0 equals +0.
 *
 *   lower-index  the item with the lower gallery index stands first: the order of a stable sort
 *   best         items of the query's identity stand before the others: an upper bound of every metric
 *   worst        items of the query's identity stand behind the others: a lower bound */
#pragma once

#include "kernels/common/math.h"

typedef enum { XR_TIES_LOWER_INDEX, XR_TIES_BEST, XR_TIES_WORST, XR_TIE_RULES } xr_tie_rule;

/* Items with the same score as a positive (an item of the query's identity) precede it when their index is below this bound. */
XR_MATH_INLINE int64_t xr_tie_bound(xr_tie_rule rule, int64_t positive_index) {
  return rule == XR_TIES_LOWER_INDEX ? positive_index : rule == XR_TIES_BEST ? 0 : INT64_MAX;
}
