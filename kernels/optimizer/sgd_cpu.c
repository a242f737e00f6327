#include "kernels/optimizer/sgd.h"

#include <math.h>

#include "kernels/common/spans.h"

xr_status xr_sgd_check(const xr_sgd *a) {
  if (!(a->momentum >= 0 && a->momentum < 1) || (a->nesterov && a->momentum == 0))
    return xr_fail(XR_BAD_ARGUMENT, "sgd: momentum %g; legal are 0 to below 1, and above 0 with Nesterov's form", (double)a->momentum);
  return XR_OK;
}

static void update(const xr_sgd *a, const xr_segment *s, int64_t at, int64_t n) {
  const float lr = a->step->lr * s->lr_factor, scale = a->step->gradient_scale, decay = s->weight_decay, momentum = a->momentum;
  const float *gradient = a->gradient + at;
  float *w = a->parameter + at;
  if (momentum == 0) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) w[i] -= lr * (scale * gradient[i] + decay * w[i]);
    return;
  }
  float *u = a->momentum_buffer + at;
  if (a->step->step == 1) memset(u, 0, (size_t)n * sizeof *u);
  const float fresh = a->nesterov ? 1 : 0, kept = a->nesterov ? momentum : 1; /* weights of g and u in the direction */
#pragma omp simd
  for (int64_t i = 0; i < n; i++) {
    const float g = scale * gradient[i] + decay * w[i];
    u[i] = momentum * u[i] + g;
    w[i] -= lr * (fresh * g + kept * u[i]);
  }
}

xr_status xr_sgd_cpu(const xr_sgd *a) {
  XR_TRY(xr_sgd_check(a));
  if (a->step->step < 1) return xr_fail(XR_BAD_ARGUMENT, "sgd: step %lld; the first is 1", (long long)a->step->step);
  if (!isfinite(a->step->gradient_scale)) return XR_OK;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->table.chunks; i++) {
    const xr_chunk *chunk = &a->table.chunk[i];
    const xr_segment *s = &a->table.segment[chunk->segment];
    for (int64_t at = 0; at < chunk->count; at += XR_SPAN) {
      const int64_t n = xr_span_length(chunk->count, at), place = chunk->offset + at;
      update(a, s, place, n);
      if (s->compute_offset >= 0) xr_narrow(a->compute + s->compute_offset + place - s->offset, a->parameter + place, n);
    }
  }
  return XR_OK;
}
