#define XR_SET_LANES 16

#include "kernels/retrieval/set_plan.h"

enum { LANES = XR_SET_LANES, BLOCK = 64 }; /* gallery items that one piece of work takes */

xr_status xr_set_score_check(const xr_set_score *a) {
  const int64_t k1 = a->query_set, k2 = a->item_set;
  if (a->queries < 0 || a->gallery < 0 || k1 < 1 || k1 > XR_MAX_SET_SIZE || k2 < 1 || k2 > XR_MAX_SET_SIZE ||
      (a->cosine_stride && a->cosine_stride < a->gallery * k2) || (a->global_stride && a->global_stride < a->gallery) ||
      (a->stride && a->stride < a->gallery))
    return xr_fail(XR_BAD_SHAPE, "set score: %lld sets of %lld x %lld sets of %lld (at most %d), %lld, %lld and %lld from row to row",
                   (long long)a->queries, (long long)k1, (long long)a->gallery, (long long)k2, XR_MAX_SET_SIZE, (long long)a->cosine_stride,
                   (long long)a->global_stride, (long long)a->stride);
  if (a->kind >= XR_SET_KINDS) return xr_fail(XR_BAD_ARGUMENT, "set score: there is no kind %d", (int)a->kind);
  if (a->kind == XR_SET_ALIGNED && k1 != k2)
    return xr_fail(XR_BAD_SHAPE, "set score: aligned sets have one size, these have %lld and %lld", (long long)k1, (long long)k2);
  if (a->kind == XR_SET_SMOOTH_CHAMFER && !(a->sharpness > 0))
    return xr_fail(XR_BAD_ARGUMENT, "set score: the sharpness is %g, above 0 is needed", (double)a->sharpness);
  if (!(a->weight >= 0 && a->weight <= 1)) return xr_fail(XR_BAD_ARGUMENT, "set score: the weight is %g, not in 0..1", (double)a->weight);
  return XR_OK;
}

xr_set_plan xr_set_plan_of(const xr_set_score *a) {
  const double k1 = (double)a->query_set, k2 = (double)a->item_set, sharpness = (double)a->sharpness;
  xr_set_plan p = {.rows = (int)a->query_set,
                   .columns = (int)a->item_set,
                   .kind = a->kind,
                   .sharpness = a->sharpness,
                   .row_factor = 1,
                   .weight = a->weight,
                   .global_weight = 1 - a->weight};
  switch (a->kind) {
  case XR_SET_SMOOTH_CHAMFER:
    p.row_factor = (float)(1 / (2 * sharpness * k1));
    p.column_factor = (float)(1 / (2 * sharpness * k2));
    p.offset = (float)(-log(k1 * k2) / (2 * sharpness));
    break;
  case XR_SET_CHAMFER:
    p.row_factor = (float)(1 / (2 * k1));
    p.column_factor = (float)(1 / (2 * k2));
    break;
  case XR_SET_AVERAGE:
    p.row_factor = (float)(1 / (k1 * k2));
    break;
  case XR_SET_OPTIMAL:
  case XR_SET_ALIGNED:
    p.row_factor = (float)(1 / (k1 < k2 ? k1 : k2));
    break;
  default:
    break;
  }
  return p;
}

/* Scores of one query with items first .. first+count-1, count <= LANES. */
static void score_lanes(const xr_set_score *a, const xr_set_plan *p, int64_t query, int64_t first, int64_t count) {
  const int64_t k1 = p->rows, k2 = p->columns;
  const int64_t cosine_stride = a->cosine_stride ? a->cosine_stride : a->gallery * k2;
  const float *from = a->cosines + query * k1 * cosine_stride + first * k2;
  _Alignas(64) float c[XR_MAX_SET_SIZE * XR_MAX_SET_SIZE * LANES], set[LANES];
  for (int64_t x = 0; x < k1; x++)
    for (int64_t y = 0; y < k2; y++) {
      float *to = c + (x * k2 + y) * LANES;
      const float *row = from + x * cosine_stride + y;
      for (int64_t l = 0; l < LANES; l++) to[l] = l < count ? row[l * k2] : 0;
    }
  xr_set_similarity_lanes(p, c, k2 * LANES, LANES, set);
  float *scores = a->scores + query * (a->stride ? a->stride : a->gallery) + first;
  const float *global = a->global ? a->global + query * (a->global_stride ? a->global_stride : a->gallery) + first : NULL;
  for (int64_t l = 0; l < count; l++) scores[l] = fmaf(p->weight, set[l], global ? p->global_weight * global[l] : 0.0f);
}

xr_status xr_set_score_cpu(const xr_set_score *a) {
  XR_TRY(xr_set_score_check(a));
  const xr_set_plan plan = xr_set_plan_of(a);
  const int64_t blocks = (a->gallery + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static)
  for (int64_t work = 0; work < a->queries * blocks; work++) {
    const int64_t query = work / blocks, first = work % blocks * BLOCK, end = first + BLOCK < a->gallery ? first + BLOCK : a->gallery;
    for (int64_t g = first; g < end; g += LANES) score_lanes(a, &plan, query, g, end - g < LANES ? end - g : LANES);
  }
  return XR_OK;
}
