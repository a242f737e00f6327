/* What the optimisers share: the table of parameters inside the contiguous arrays, and what changes from step to step.
 *
 * Parameters, gradients and moments are f32 arrays of the same layout; a segment is one parameter tensor (or several that share
 * their settings). Segments do not overlap; elements between them are neither read nor written. */
#pragma once

#include "host/base/dtype.h"
#include "host/base/status.h"

typedef struct {
  int64_t offset, count;  /* elements */
  int64_t compute_offset; /* where its bf16 copy starts in the `compute` array; -1: it has none */
  float lr_factor, weight_decay, eps;
} xr_segment;

/* Read when a kernel runs, so that one memory place can hold the values of the current step. */
typedef struct {
  float lr;
  float gradient_scale; /* gradients are multiplied by it first: clipping. When it is not finite the whole step is left out */
  int64_t step;         /* 1 in the first update */
} xr_optimizer_step;

static inline bool xr_step_is_left_out(const xr_optimizer_step *step) {
  return !(step->gradient_scale - step->gradient_scale == 0); /* infinity or NaN */
}

static inline xr_status xr_check_segments(const char *operation, const xr_segment *segments, int64_t count) {
  for (int64_t s = 0; s < count; s++)
    if (segments[s].offset < 0 || segments[s].count < 0)
      return xr_fail(XR_BAD_SHAPE, "%s: segment %lld starts at %lld and has %lld elements", operation, (long long)s,
                     (long long)segments[s].offset, (long long)segments[s].count);
  return XR_OK;
}
