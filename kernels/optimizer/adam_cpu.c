#include "kernels/optimizer/adam.h"

#include <math.h>

#include "kernels/common/spans.h"

/* One segment's constants of one step. */
typedef struct {
  float scale, decay, shrink, beta1, rest1, beta2, rest2, step_size, root_scale, eps;
} constants;

static constants constants_of(const xr_adam *a, const xr_segment *s) {
  const double lr = (double)a->step->lr * (double)s->lr_factor, t = (double)a->step->step, decay = (double)s->weight_decay;
  return (constants){.scale = a->step->gradient_scale,
                     .decay = a->decoupled_decay ? 0 : s->weight_decay,
                     .shrink = a->decoupled_decay ? (float)(1 - lr * decay) : 1,
                     .beta1 = (float)a->beta1,
                     .rest1 = (float)(1 - a->beta1),
                     .beta2 = (float)a->beta2,
                     .rest2 = (float)(1 - a->beta2),
                     .step_size = (float)(lr / (1 - pow(a->beta1, t))),
                     .root_scale = (float)(1 / sqrt(1 - pow(a->beta2, t))),
                     .eps = s->eps};
}

static void update(const xr_adam *a, const constants c, int64_t at, int64_t n) {
  float *w = a->parameter + at, *m = a->first_moment + at, *v = a->second_moment + at;
  const float *gradient = a->gradient + at;
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float g = c.scale * gradient[i] + c.decay * w[i];
    m[i] = c.beta1 * m[i] + c.rest1 * g;
    v[i] = c.beta2 * v[i] + c.rest2 * g * g;
    w[i] = c.shrink * w[i] - c.step_size * m[i] / (sqrtf(v[i]) * c.root_scale + c.eps);
  }
}

xr_status xr_adam_cpu(const xr_adam *a) {
  if (a->step->step < 1) return xr_fail(XR_BAD_ARGUMENT, "adam: step %lld; the first is 1", (long long)a->step->step);
  if (!isfinite(a->step->gradient_scale)) return XR_OK;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->table.chunks; i++) {
    const xr_chunk *chunk = &a->table.chunk[i];
    const xr_segment *s = &a->table.segment[chunk->segment];
    const constants c = constants_of(a, s);
    for (int64_t at = 0; at < chunk->count; at += XR_SPAN) {
      const int64_t n = xr_span_length(chunk->count, at), place = chunk->offset + at;
      update(a, c, place, n);
      if (s->compute_offset >= 0) xr_narrow(a->compute + s->compute_offset + place - s->offset, a->parameter + place, n);
    }
  }
  return XR_OK;
}
