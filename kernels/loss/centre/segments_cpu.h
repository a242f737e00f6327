/* Finds xr_segments on the CPU. */
#pragma once

#include "kernels/loss/centre/segments.h"

static inline void xr_segments_find(const xr_segments *s, const int32_t *identity, int64_t batch) {
  int32_t count = 0;
  for (int64_t i = 0; i < batch; i++) {
    int32_t p = 0;
    while (p < count && identity[s->first[p]] != identity[i]) p++;
    if (p == count) s->first[count++] = (int32_t)i;
    s->segment[i] = p;
  }
  s->count[0] = count;
  int32_t placed = 0;
  for (int32_t p = 0; p < count; p++) {
    s->start[p] = placed;
    for (int64_t i = s->first[p]; i < batch; i++)
      if (s->segment[i] == p) s->order[placed++] = (int32_t)i;
  }
  s->start[count] = placed;
}
