#include "kernels/optimizer/sgd.h"

#include "kernels/common/spans.h"

static xr_status check(const xr_sgd *a) {
  XR_TRY(xr_check_segments("sgd", a->segments, a->segment_count));
  if (a->step->step < 1) return xr_fail(XR_BAD_ARGUMENT, "sgd: step %lld; the first is 1", (long long)a->step->step);
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
  XR_TRY(check(a));
  if (xr_step_is_left_out(a->step)) return XR_OK;
#pragma omp parallel
  for (int64_t k = 0; k < a->segment_count; k++) {
    const xr_segment *s = &a->segments[k];
#pragma omp for schedule(static) nowait
    for (int64_t span = 0; span < xr_span_count(s->count); span++) {
      const int64_t at = span * XR_SPAN, n = xr_span_length(s->count, at);
      update(a, s, s->offset + at, n);
      if (s->compute_offset >= 0) xr_narrow(a->compute + s->compute_offset + at, a->parameter + s->offset + at, n);
    }
  }
  return XR_OK;
}
