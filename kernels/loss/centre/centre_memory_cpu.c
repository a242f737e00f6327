#include "kernels/loss/centre/centre_memory.h"

#include "kernels/loss/centre/memory_tables.h"
#include "kernels/loss/centre/segments_cpu.h"

xr_status xr_centre_memory_check(const xr_centre_memory *a) {
  if (a->batch < 1 || a->batch > INT32_MAX || a->width < 1 || a->classes < 1 || a->sets < 2 || a->sets > XR_CENTRE_SETS)
    return xr_fail(XR_BAD_SHAPE, "centre_memory: %d sets of [%lld, %lld] and banks of %lld, legal are 2 or 3 sets that are not empty",
                   a->sets, (long long)a->batch, (long long)a->width, (long long)a->classes);
  if (!(a->momentum >= 0 && a->momentum < 1))
    return xr_fail(XR_BAD_ARGUMENT, "centre_memory: momentum %g, legal are 0 to below 1", (double)a->momentum);
  return XR_OK;
}

size_t xr_centre_memory_workspace(const xr_centre_memory *a) {
  return (size_t)a->batch * (sizeof(float) + sizeof(int32_t)) + (size_t)xr_segments_size(a->batch) * sizeof(int32_t);
}

static xr_status check_identities(const xr_centre_memory *a) {
  for (int64_t i = 0; i < a->batch; i++)
    if (xr_memory_class(a, i) < 0)
      return xr_fail(XR_BAD_INPUT, "centre_memory: sample %lld has identity %d, the banks have 0 to %lld", (long long)i, a->identity[i],
                     (long long)a->classes - 1);
  return XR_OK;
}

static void update_banks(const xr_centre_memory *a, const xr_segments *s) {
  const int32_t count = s->count[0];
#pragma omp parallel for schedule(static)
  for (int32_t p = 0; p < count; p++) {
    const int32_t first = s->start[p], end = s->start[p + 1];
    const int64_t class = a->identity[s->order[first]];
    const float keep = xr_memory_keep(a, class);
    for (int set = 0; set < a->sets; set++)
      for (int64_t column = 0; column < a->width; column++) {
        float *bank = &a->bank[set][class * a->width + column];
        double sum = 0;
        for (int32_t k = first; k < end; k++) sum += (double)a->x[set][s->order[k] * a->width + column];
        const float mean = (float)(sum / (end - first));
        *bank = keep == 0 ? mean : keep * *bank + (1 - keep) * mean; /* what was never seen may hold anything */
      }
    a->seen[class] = 1;
  }
}

static void add_samples(const xr_centre_memory *a, float *term) {
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->batch; i++) {
    const int64_t from = i * a->width, class = a->identity[i] * a->width;
    double sum = 0;
    for (int set = 0; set < a->sets; set++)
      for (int b = 0; b < a->sets; b++) {
        if (b == set) continue;
        for (int64_t k = 0; k < a->width; k++) {
          const double d = (double)a->x[set][from + k] - (double)a->bank[b][class + k];
          sum += d * d;
        }
      }
    term[i] = (float)sum;
  }
}

xr_status xr_centre_memory_forward_cpu(const xr_centre_memory *a) {
  XR_TRY(xr_centre_memory_check(a));
  XR_TRY(check_identities(a));
  const xr_memory_tables t = xr_memory_tables_of(a);
  xr_segments_find(&t.segments, a->identity, a->batch);
  update_banks(a, &t.segments);
  add_samples(a, t.term);
  double total = 0;
  for (int64_t i = 0; i < a->batch; i++) total += (double)t.term[i];
  a->loss[0] = (float)(total / (2 * (double)a->batch));
  return XR_OK;
}

xr_status xr_centre_memory_backward_cpu(const xr_centre_memory *a) {
  XR_TRY(xr_centre_memory_check(a));
  XR_TRY(check_identities(a));
  const float factor = a->dloss[0] / (float)a->batch;
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < a->sets * a->batch; row++) {
    const int set = (int)(row / a->batch);
    const int64_t i = row % a->batch, from = i * a->width, class = a->identity[i] * a->width;
    if (!a->dx[set]) continue;
    for (int64_t k = 0; k < a->width; k++) {
      float sum = 0, *dx = &a->dx[set][from + k];
      for (int b = 0; b < a->sets && !xr_memory_is_constant(a, set); b++)
        if (b != set) sum += a->x[set][from + k] - a->bank[b][class + k];
      *dx = factor * sum + (a->accumulate_dx[set] ? *dx : 0);
    }
  }
  return XR_OK;
}
