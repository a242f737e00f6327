/* What both backends share of xr_feature_memory. */
#pragma once

#include "kernels/loss/centre/feature_memory.h"
#include "kernels/loss/centre/segments.h"

XR_CENTRE_INLINE xr_segments xr_feature_segments(const xr_feature_memory *a) {
  int32_t *segment = (int32_t *)a->workspace;
  return xr_segments_at(segment + a->batch, a->batch, segment);
}

/* The class of sample i, or -1 where there is no such class. */
XR_CENTRE_INLINE int64_t xr_feature_class(const xr_feature_memory *a, int64_t i) {
  const int32_t c = a->identity[i];
  return c >= 0 && c < a->classes ? c : -1;
}

/* One column of an identity whose samples are order[first] .. order[end - 1]. `keep`: the momentum, or 0 where it was never seen. */
XR_CENTRE_INLINE void xr_feature_column(const xr_feature_memory *a, const int32_t *order, int32_t first, int32_t end, float keep,
                                        float *bank, int64_t column) {
  double sum = 0;
  for (int32_t k = first; k < end; k++) sum += (double)a->x[order[k] * a->width + column];
  const float mean = (float)(sum / (end - first));
  const float value = keep == 0 ? mean : keep * bank[column] + (1 - keep) * mean; /* what was never seen may hold anything */
  bank[column] = value;
  for (int32_t k = first; k < end; k++) a->y[order[k] * a->width + column] = value;
}
