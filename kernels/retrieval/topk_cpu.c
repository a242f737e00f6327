#include "kernels/retrieval/topk.h"

#include "kernels/retrieval/chosen.h"
#include "kernels/retrieval/precede.h"
#include <math.h>

static const char name[] = "top-k";
static const int64_t no_item = INT64_MAX; /* behind every item, also one with score -infinity */

/* Puts (score, index) at the root of a heap of n places and lets it sink: every parent stands behind its children. */
static void sink(float *scores, int64_t *indices, int64_t n, float score, int64_t index) {
  int64_t place = 0;
  for (int64_t child = 1; child < n; child = 2 * place + 1) {
    if (child + 1 < n && xr_precedes(scores[child], indices[child], scores[child + 1], indices[child + 1])) child++;
    if (!xr_precedes(score, index, scores[child], indices[child])) break;
    scores[place] = scores[child];
    indices[place] = indices[child];
    place = child;
  }
  scores[place] = score;
  indices[place] = index;
}

xr_status xr_topk_check(const xr_topk *a) {
  if (a->queries < 0 || a->k < 1) return xr_fail(XR_BAD_SHAPE, "top-k: k is %lld, at least 1 is needed", (long long)a->k);
  return XR_OK;
}

xr_status xr_topk_check_update(const xr_topk *a) {
  XR_TRY(xr_topk_check(a));
  return xr_check_chosen(name, a->queries, a->gallery, a->gallery_offset, a->stride, a->chosen, a->chosen_count);
}

xr_status xr_topk_begin_cpu(const xr_topk *a) {
  XR_TRY(xr_topk_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < a->queries * a->k; i++) {
    a->top_scores[i] = -INFINITY;
    a->top_indices[i] = no_item;
  }
  return XR_OK;
}

xr_status xr_topk_update_cpu(const xr_topk *a) {
  XR_TRY(xr_topk_check_update(a));
  XR_TRY(xr_check_chosen_values(name, a->gallery, a->gallery_offset, a->chosen, a->chosen_count));
#pragma omp parallel for schedule(static)
  for (int64_t q = 0; q < a->queries; q++) {
    float *scores = a->top_scores + q * a->k, copy[XR_ROW_BLOCK];
    int64_t *indices = a->top_indices + q * a->k;
    for (int64_t block = 0;; block++) {
      const xr_row_block b = xr_row_block_at(a->scores + q * a->stride, a->gallery_offset, a->gallery, a->chosen, a->chosen_count, block,
                                             copy);
      if (!b.count) break;
      for (int64_t c = 0; c < b.count; c++) {
        if (!(b.scores[c] >= scores[0])) continue; /* nearly every item ends here */
        const int64_t index = xr_block_index(&b, c);
        if (xr_precedes(b.scores[c], index, scores[0], indices[0])) sink(scores, indices, a->k, b.scores[c], index);
      }
    }
  }
  return XR_OK;
}

xr_status xr_topk_finish_cpu(const xr_topk *a) {
  XR_TRY(xr_topk_check(a));
#pragma omp parallel for schedule(static)
  for (int64_t q = 0; q < a->queries; q++) {
    float *scores = a->top_scores + q * a->k;
    int64_t *indices = a->top_indices + q * a->k;
    for (int64_t n = a->k - 1; n > 0; n--) { /* the root, last of what is left, goes behind it */
      const float score = scores[n], root_score = scores[0];
      const int64_t index = indices[n], root_index = indices[0];
      sink(scores, indices, n, score, index);
      scores[n] = root_score;
      indices[n] = root_index;
    }
    for (int64_t i = 0; i < a->k; i++)
      if (indices[i] == no_item) indices[i] = -1;
  }
  return XR_OK;
}
