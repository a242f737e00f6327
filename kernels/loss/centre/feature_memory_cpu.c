#include "kernels/loss/centre/feature_memory.h"

#include "kernels/loss/centre/feature_tables.h"
#include "kernels/loss/centre/segments_cpu.h"

xr_status xr_feature_memory_check(const xr_feature_memory *a) {
  if (a->batch < 1 || a->batch > INT32_MAX || a->width < 1 || a->classes < 1)
    return xr_fail(XR_BAD_SHAPE, "feature_memory: features [%lld, %lld] and a bank of %lld, legal are sizes of at least 1",
                   (long long)a->batch, (long long)a->width, (long long)a->classes);
  if (!(a->momentum >= 0 && a->momentum < 1))
    return xr_fail(XR_BAD_ARGUMENT, "feature_memory: momentum %g, legal are 0 to below 1", (double)a->momentum);
  return XR_OK;
}

size_t xr_feature_memory_workspace(const xr_feature_memory *a) { return (size_t)(a->batch + xr_segments_size(a->batch)) * sizeof(int32_t); }

xr_status xr_feature_memory_forward_cpu(const xr_feature_memory *a) {
  XR_TRY(xr_feature_memory_check(a));
  for (int64_t i = 0; i < a->batch; i++)
    if (xr_feature_class(a, i) < 0)
      return xr_fail(XR_BAD_INPUT, "feature_memory: sample %lld has identity %d, the bank has 0 to %lld", (long long)i, a->identity[i],
                     (long long)a->classes - 1);
  const xr_segments s = xr_feature_segments(a);
  xr_segments_find(&s, a->identity, a->batch);
  const int32_t count = s.count[0];
#pragma omp parallel for schedule(static)
  for (int32_t p = 0; p < count; p++) {
    const int64_t class = a->identity[s.order[s.start[p]]];
    const float keep = a->seen[class] > 0.5f ? a->momentum : 0;
    float *bank = a->bank + class * a->width;
    for (int64_t column = 0; column < a->width; column++) xr_feature_column(a, s.order, s.start[p], s.start[p + 1], keep, bank, column);
    a->seen[class] = 1;
  }
  return XR_OK;
}
