#include "kernels/retrieval/hide.h"

#include <math.h>

xr_status xr_hide_check(const xr_hide *a) {
  if (a->queries < 0 || a->gallery < 0 || a->stride < a->gallery || a->gallery > INT32_MAX)
    return xr_fail(XR_BAD_SHAPE, "hiding items: %lld queries x %lld items, %lld from row to row", (long long)a->queries,
                   (long long)a->gallery, (long long)a->stride);
  if (!a->item_code != !a->hidden_code) return xr_fail(XR_BAD_ARGUMENT, "hiding items: codes of items and of queries go together");
  return XR_OK;
}

static int32_t first_nan(const float *s, int64_t n) {
  int found = 0;
#pragma omp simd reduction(| : found)
  for (int64_t g = 0; g < n; g++) found |= s[g] != s[g];
  for (int64_t g = 0; found && g < n; g++)
    if (s[g] != s[g]) return (int32_t)g;
  return -1;
}

xr_status xr_hide_cpu(const xr_hide *a) {
  XR_TRY(xr_hide_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t q = 0; q < a->queries; q++) {
    float *s = a->scores + q * a->stride;
    if (a->nan_at) a->nan_at[q] = first_nan(s, a->gallery);
    if (!a->item_code || a->hidden_code[q] < 0) continue;
    const int32_t hidden = a->hidden_code[q];
#pragma omp simd
    for (int64_t g = 0; g < a->gallery; g++) s[g] = a->item_code[g] == hidden ? NAN : s[g];
  }
  return XR_OK;
}
