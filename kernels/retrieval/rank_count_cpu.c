#include "kernels/retrieval/rank_count.h"

#include "kernels/retrieval/chosen.h"
#include "kernels/retrieval/precede.h"

enum { FEW_POSITIVES = 48 }; /* up to here comparing every item with every positive, 16 at a time, beats a search for each item */

static const char name[] = "rank count";

static int32_t count_above(const float *s, int64_t n, float bound) {
  int32_t count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t i = 0; i < n; i++) count += s[i] > bound;
  return count;
}

static int32_t count_from(const float *s, int64_t n, float bound) {
  int32_t count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t i = 0; i < n; i++) count += s[i] >= bound;
  return count;
}

static int32_t count_equal(const float *s, int64_t n, float value) {
  int32_t count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t i = 0; i < n; i++) count += s[i] == value;
  return count;
}

typedef struct {
  xr_row_block block;
  const xr_positive *positives;
  int64_t positive_count;
  int32_t *ahead, *equal;
} row_part;

static void compare_with_each(const row_part *r, xr_tie_rule ties) {
  const float *scores = r->block.scores;
  const int64_t columns = r->block.count;
  int32_t before = 0;
  for (int64_t i = 0; i < r->positive_count; i++) {
    const float score = r->positives[i].score;
    const int64_t below = xr_block_below(&r->block, xr_tie_bound(ties, r->positives[i].index)); /* for them an equal score is enough */
    const int32_t precede = count_from(scores, below, score) + count_above(scores + below, columns - below, score);
    r->ahead[i] += precede - before;
    before = precede;
    if (i == 0 || r->positives[i - 1].score != score) r->equal[i] += count_equal(scores, columns, score);
  }
}

static void search_for_each(const row_part *r, xr_tie_rule ties) {
  const int64_t n = r->positive_count;
  const float lowest = r->positives[n - 1].score;
  for (int64_t c = 0; c < r->block.count; c++) {
    const float score = r->block.scores[c];
    if (!(score >= lowest)) continue; /* precedes none; NaN ends here too */
    const int64_t place = xr_first_preceded(r->positives, n, score, xr_block_index(&r->block, c), ties);
    if (place < n) r->ahead[place]++;
    const int64_t run = xr_first_not_above(r->positives, n, score);
    if (r->positives[run].score == score) r->equal[run]++;
  }
}

xr_status xr_rank_count_check(const xr_rank_count *a) {
  return xr_check_chosen(name, a->queries, a->gallery, a->gallery_offset, a->stride, a->chosen, a->chosen_count);
}

xr_status xr_rank_count_cpu(const xr_rank_count *a) {
  XR_TRY(xr_rank_count_check(a));
  XR_TRY(xr_check_chosen_values(name, a->gallery, a->gallery_offset, a->chosen, a->chosen_count));
#pragma omp parallel for schedule(static)
  for (int64_t q = 0; q < a->queries; q++) {
    const int64_t first = a->first[q], count = a->first[q + 1] - first;
    if (!count) continue;
    float copy[XR_ROW_BLOCK];
    for (int64_t block = 0;; block++) {
      const row_part part = {
          .block = xr_row_block_at(a->scores + q * a->stride, a->gallery_offset, a->gallery, a->chosen, a->chosen_count, block, copy),
          .positives = a->positives + first,
          .positive_count = count,
          .ahead = a->ahead + first,
          .equal = a->equal + first};
      if (!part.block.count) break;
      (count <= FEW_POSITIVES ? compare_with_each : search_for_each)(&part, a->ties);
    }
  }
  return XR_OK;
}
