/* What lies in the workspace of xr_centre_memory. */
#pragma once

#include "kernels/loss/centre/centre_memory.h"
#include "kernels/loss/centre/segments.h"

typedef struct {
  float *term; /* [B]: a sample's part of the loss, before 1 / 2B */
  xr_segments segments;
} xr_memory_tables;

XR_CENTRE_INLINE xr_memory_tables xr_memory_tables_of(const xr_centre_memory *a) {
  float *term = (float *)a->workspace;
  int32_t *segment = (int32_t *)(term + a->batch);
  const xr_memory_tables t = {term, xr_segments_at(segment + a->batch, a->batch, segment)};
  return t;
}

/* The class of sample i, or -1 where there is no such class. */
XR_CENTRE_INLINE int64_t xr_memory_class(const xr_centre_memory *a, int64_t i) {
  const int32_t c = a->identity[i];
  return c >= 0 && c < a->classes ? c : -1;
}

XR_CENTRE_INLINE bool xr_memory_is_constant(const xr_centre_memory *a, int set) { return set == 2 && a->stop_gradient_combined; }

/* What stays of a centre: nothing where the identity was never seen. */
XR_CENTRE_INLINE float xr_memory_keep(const xr_centre_memory *a, int64_t c) { return a->seen[c] > 0.5f ? a->momentum : 0; }
