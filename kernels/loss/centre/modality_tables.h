/* What both backends share of xr_modality_memory. */
#pragma once

#include "kernels/loss/centre/modality_memory.h"
#include "kernels/loss/centre/segments.h"

typedef struct {
  float *term; /* [B]: a sample's squared distance, or -1 where its centre was never seen */
  xr_segments segments;
} xr_modality_tables;

XR_CENTRE_INLINE xr_modality_tables xr_modality_tables_of(const xr_modality_memory *a) {
  float *term = (float *)a->workspace;
  int32_t *segment = (int32_t *)(term + a->batch);
  const xr_modality_tables t = {term, xr_segments_at(segment + a->batch, a->batch, segment)};
  return t;
}

/* The class of sample i, or -1 where there is no such class. */
XR_CENTRE_INLINE int64_t xr_modality_class(const xr_modality_memory *a, int64_t i) {
  const int32_t c = a->identity[i];
  return c >= 0 && c < a->classes ? c : -1;
}

XR_CENTRE_INLINE int xr_modality_side(const xr_modality_memory *a, int64_t i) { return i >= a->visible; }

/* The centre that draws sample i of this class, or NULL where it was never seen. */
XR_CENTRE_INLINE const float *xr_modality_centre(const xr_modality_memory *a, int64_t i, int64_t own) {
  const int other = !xr_modality_side(a, i);
  return a->seen[other * a->classes + own] > 0.5f ? a->bank[other] + own * a->width : NULL;
}

/* One column of a class's two centres, whose samples are order[first] .. order[end - 1]. */
XR_CENTRE_INLINE void xr_modality_column(const xr_modality_memory *a, const int32_t *order, int32_t first, int32_t end, int64_t own,
                                         const bool seen[2], int64_t column) {
  for (int side = 0; side < 2; side++) {
    double sum = 0;
    int count = 0;
    for (int32_t k = first; k < end; k++) {
      if (xr_modality_side(a, order[k]) != side) continue;
      sum += (double)a->x[order[k] * a->width + column];
      count++;
    }
    if (count == 0) continue;
    float *bank = &a->bank[side][own * a->width + column];
    const float mean = (float)(sum / count);
    *bank = seen[side] ? a->momentum * *bank + (1 - a->momentum) * mean : mean; /* what was never seen may hold anything */
  }
}
