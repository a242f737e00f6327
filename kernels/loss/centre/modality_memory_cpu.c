#include "kernels/loss/centre/modality_memory.h"

#include "kernels/loss/centre/modality_tables.h"
#include "kernels/loss/centre/segments_cpu.h"

xr_status xr_modality_memory_check(const xr_modality_memory *a) {
  if (a->batch < 1 || a->batch > INT32_MAX || a->width < 1 || a->classes < 1)
    return xr_fail(XR_BAD_SHAPE, "modality_memory: features [%lld, %lld] and banks of %lld, legal are those that are not empty",
                   (long long)a->batch, (long long)a->width, (long long)a->classes);
  if (a->visible < 0 || a->visible > a->batch)
    return xr_fail(XR_BAD_SHAPE, "modality_memory: %lld visible samples in a batch of %lld", (long long)a->visible, (long long)a->batch);
  if (!(a->momentum >= 0 && a->momentum < 1))
    return xr_fail(XR_BAD_ARGUMENT, "modality_memory: momentum %g, legal are 0 to below 1", (double)a->momentum);
  return XR_OK;
}

size_t xr_modality_memory_workspace(const xr_modality_memory *a) {
  return (size_t)a->batch * (sizeof(float) + sizeof(int32_t)) + (size_t)xr_segments_size(a->batch) * sizeof(int32_t);
}

static xr_status check_identities(const xr_modality_memory *a) {
  for (int64_t i = 0; i < a->batch; i++)
    if (xr_modality_class(a, i) < 0)
      return xr_fail(XR_BAD_INPUT, "modality_memory: sample %lld has identity %d, the banks have 0 to %lld", (long long)i, a->identity[i],
                     (long long)a->classes - 1);
  return XR_OK;
}

static void update_banks(const xr_modality_memory *a, const xr_segments *s) {
#pragma omp parallel for schedule(static)
  for (int32_t p = 0; p < s->count[0]; p++) {
    const int32_t first = s->start[p], end = s->start[p + 1];
    const int64_t own = a->identity[s->order[first]];
    const bool seen[2] = {a->seen[own] > 0.5f, a->seen[a->classes + own] > 0.5f};
    for (int64_t column = 0; column < a->width; column++) xr_modality_column(a, s->order, first, end, own, seen, column);
    for (int32_t k = first; k < end; k++) a->seen[xr_modality_side(a, s->order[k]) * a->classes + own] = 1;
  }
}

static float squared_distance(const float *x, const float *y, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t k = 0; k < n; k++) sum += ((double)x[k] - (double)y[k]) * ((double)x[k] - (double)y[k]);
  return (float)sum;
}

xr_status xr_modality_memory_forward_cpu(const xr_modality_memory *a) {
  XR_TRY(xr_modality_memory_check(a));
  XR_TRY(check_identities(a));
  const xr_modality_tables t = xr_modality_tables_of(a);
  xr_segments_find(&t.segments, a->identity, a->batch);
  update_banks(a, &t.segments);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->batch; i++) {
    const float *centre = xr_modality_centre(a, i, a->identity[i]);
    t.term[i] = centre ? squared_distance(a->x + i * a->width, centre, a->width) : -1;
  }
  double total = 0, count = 0;
  for (int64_t i = 0; i < a->batch; i++) {
    if (t.term[i] < 0) continue;
    total += (double)t.term[i];
    count++;
  }
  a->loss[0] = count > 0 ? (float)(total / count) : 0;
  a->scale[0] = count > 0 ? (float)(2 / count) : 0;
  return XR_OK;
}

xr_status xr_modality_memory_backward_cpu(const xr_modality_memory *a) {
  XR_TRY(xr_modality_memory_check(a));
  XR_TRY(check_identities(a));
  const float factor = a->dloss[0] * a->scale[0];
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->batch; i++) {
    const float *centre = xr_modality_centre(a, i, a->identity[i]), *x = a->x + i * a->width;
    float *dx = a->dx + i * a->width;
    for (int64_t k = 0; k < a->width; k++) {
      const float d = centre ? factor * (x[k] - centre[k]) : 0;
      dx[k] = a->accumulate_dx ? dx[k] + d : d;
    }
  }
  return XR_OK;
}
