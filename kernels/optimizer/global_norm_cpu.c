#include "kernels/optimizer/global_norm.h"

#include <math.h>

#include "kernels/common/spans.h"

enum { CHUNK = 16 * XR_SPAN };

static int64_t chunk_count(const xr_segment *s) { return (s->count + CHUNK - 1) / CHUNK; }

size_t xr_global_norm_workspace(const xr_global_norm *a) {
  int64_t chunks = 0;
  for (int64_t k = 0; k < a->segment_count; k++) chunks += chunk_count(&a->segments[k]);
  return (size_t)chunks * sizeof(double);
}

/* Squares of f32 fit in f64, so the sum is finite exactly when every element is. */
static double sum_of_squares(const float *gradient, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; i++) sum += (double)gradient[i] * (double)gradient[i];
  return sum;
}

static void sum_chunks(const xr_global_norm *a) {
#pragma omp parallel
  for (int64_t k = 0, first = 0; k < a->segment_count; first += chunk_count(&a->segments[k]), k++) {
    const xr_segment *s = &a->segments[k];
#pragma omp for schedule(static) nowait
    for (int64_t chunk = 0; chunk < chunk_count(s); chunk++) {
      const int64_t at = chunk * CHUNK, n = s->count - at < CHUNK ? s->count - at : CHUNK;
      a->workspace[first + chunk] = sum_of_squares(a->gradient + s->offset + at, n);
    }
  }
}

xr_status xr_global_norm_cpu(const xr_global_norm *a) {
  XR_TRY(xr_check_segments("global_norm", a->segments, a->segment_count));
  if (!(a->max_norm >= 0))
    return xr_fail(XR_BAD_ARGUMENT, "global_norm: max_norm %g; legal are 0 (no clipping) and above", (double)a->max_norm);
  sum_chunks(a);
  double total = 0;
  int32_t first_bad = -1;
  const double *chunk = a->workspace;
  for (int64_t k = 0; k < a->segment_count; k++) {
    double sum = 0;
    for (int64_t left = chunk_count(&a->segments[k]); left > 0; left--) sum += *chunk++;
    if (!isfinite(sum) && first_bad < 0) first_bad = (int32_t)k;
    total += sum;
  }
  const double norm = first_bad < 0 ? sqrt(total) : NAN, limit = (double)a->max_norm / (norm + 1e-6);
  a->norm[0] = (float)norm;
  a->factor[0] = first_bad >= 0 ? NAN : a->max_norm > 0 && limit < 1 ? (float)limit : 1;
  a->first_bad[0] = first_bad;
  return XR_OK;
}
