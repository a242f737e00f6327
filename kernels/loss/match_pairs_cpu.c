#include "kernels/loss/match_pairs.h"

xr_status xr_match_pairs_check(const xr_match_pairs *a) {
  if (a->batch < 1 || a->batch > INT32_MAX / 3)
    return xr_fail(XR_BAD_SHAPE, "match_pairs: a batch of %lld, legal are 1 to %d", (long long)a->batch, INT32_MAX / 3);
  if ((unsigned)a->negative >= XR_MATCH_NEGATIVES)
    return xr_fail(XR_BAD_ARGUMENT, "match_pairs: negative %d is not one that is listed", (int)a->negative);
  if (a->negative == XR_MATCH_DRAWN && !(a->tau > 0))
    return xr_fail(XR_BAD_ARGUMENT, "match_pairs: tau %g (legal: above 0)", (double)a->tau);
  return XR_OK;
}

/* The negative of image i (a row of S) or of text i (a column); -1: there is none. */
static int64_t choose(const xr_match_pairs *a, int64_t i, bool text) {
  const int64_t b = a->batch;
  int64_t at = -1;
  float best = 0;
  for (int64_t j = 0; j < b; j++) {
    if (a->identity[j] == a->identity[i]) continue;
    const float key = xr_match_key(a, text ? b + i : i, j, a->similarity[text ? j * b + i : i * b + j]);
    if (at >= 0 && key <= best) continue;
    best = key;
    at = j;
  }
  return at;
}

xr_status xr_match_pairs_forward_cpu(const xr_match_pairs *a) {
  XR_TRY(xr_match_pairs_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->batch; i++) xr_match_write(a, i, choose(a, i, false), choose(a, i, true));
  return XR_OK;
}
