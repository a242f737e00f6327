#include "kernels/retrieval/topk.h"

#include "kernels/retrieval/chosen.h"
#include "kernels/retrieval/precede.h"
#include <math.h>
#include <stdbool.h>

static const char name[] = "top-k";
enum {
  AT_ONCE = 32, /* scores that are compared with the last place together */
  GROUPS = 256  /* of a block's scores, for a first bound */
};

static bool precedes(float score, int64_t index, float other_score, int64_t other_index) {
  return score > other_score || (score == other_score && index < other_index);
}

/* Puts (score, index) at the root of a heap of n places and lets it sink: every parent stands behind its children. */
static void sink(float *scores, int64_t *indices, int64_t n, float score, int64_t index) {
  int64_t place = 0;
  for (int64_t child = 1; child < n; child = 2 * place + 1) {
    if (child + 1 < n && precedes(scores[child], indices[child], scores[child + 1], indices[child + 1])) child++;
    if (!precedes(score, index, scores[child], indices[child])) break;
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
    a->top_indices[i] = XR_NO_ITEM;
  }
  return XR_OK;
}

/* Whether one of n scores reaches the bound. */
static bool any_from(const float *s, int64_t n, float bound) {
  int any = 0;
#pragma omp simd reduction(| : any)
  for (int64_t i = 0; i < n; i++) any |= s[i] >= bound;
  return any;
}

/* A score that at least k of the block's items reach, so that items below it need not be tried: the k-th best of the best items of
 * groups. Found bit by bit, in the order of the integers that floats are. */
static float bound_of(const xr_row_block *b, int64_t k) {
  float most[GROUPS];
  uint32_t rising[GROUPS], bound = 0;
  if (k > GROUPS / 2 || b->count < 2 * GROUPS) return -INFINITY;
  for (int i = 0; i < GROUPS; i++) most[i] = -INFINITY;
  for (int64_t first = 0; first < b->count; first += GROUPS) {
    const int64_t n = b->count - first < GROUPS ? b->count - first : GROUPS;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) most[i] = b->scores[first + i] > most[i] ? b->scores[first + i] : most[i]; /* NaN is left out */
  }
#pragma omp simd
  for (int i = 0; i < GROUPS; i++) {
    uint32_t bits;
    memcpy(&bits, &most[i], sizeof bits);
    rising[i] = bits >> 31 ? ~bits : bits | 0x80000000u;
  }
  for (uint32_t bit = 0x80000000u; bit; bit >>= 1) {
    int count = 0;
#pragma omp simd reduction(+ : count)
    for (int i = 0; i < GROUPS; i++) count += rising[i] >= (bound | bit);
    if (count >= k) bound |= bit;
  }
  return xr_float_of_bits(bound >> 31 ? bound & 0x7fffffffu : ~bound);
}

static void update_row(const xr_row_block *b, float *scores, int64_t *indices, int64_t k) {
  const float bound = bound_of(b, k);
  for (int64_t first = 0; first < b->count; first += AT_ONCE) {
    const int64_t end = first + AT_ONCE < b->count ? first + AT_ONCE : b->count;
    const float least = scores[0] > bound ? scores[0] : bound;
    if (!any_from(b->scores + first, end - first, least)) continue; /* nearly every item ends here */
    for (int64_t c = first; c < end; c++) {
      if (!(b->scores[c] >= least)) continue;
      const int64_t index = xr_block_index(b, c);
      if (precedes(b->scores[c], index, scores[0], indices[0])) sink(scores, indices, k, b->scores[c], index);
    }
  }
}

xr_status xr_topk_update_cpu(const xr_topk *a) {
  XR_TRY(xr_topk_check_update(a));
  XR_TRY(xr_check_chosen_values(name, a->gallery, a->gallery_offset, a->chosen, a->chosen_count));
#pragma omp parallel for schedule(static)
  for (int64_t q = 0; q < a->queries; q++) {
    float copy[XR_ROW_BLOCK];
    for (int64_t block = 0;; block++) {
      const xr_row_block b = xr_row_block_at(a->scores + q * a->stride, a->gallery_offset, a->gallery, a->chosen, a->chosen_count, block,
                                             copy);
      if (!b.count) break;
      update_row(&b, a->top_scores + q * a->k, a->top_indices + q * a->k, a->k);
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
      if (indices[i] == XR_NO_ITEM) indices[i] = -1;
  }
  return XR_OK;
}
