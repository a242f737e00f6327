#include "kernels/retrieval/rank_count.h"

#include <stdbool.h>

enum {
  FEW_POSITIVES = 48, /* up to here comparing every item with every positive, 16 at a time, beats a search for each item */
  ROW_BLOCK = 4096    /* columns that stay in the first-level cache while all positives pass over them */
};

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
  const float *scores;
  int64_t columns, offset; /* gallery index of scores[0] */
  const xr_positive *positives;
  int64_t positive_count;
  int32_t *ahead, *equal;
} row_part;

static void compare_with_each(const row_part *r, xr_tie_rule ties) {
  int32_t before = 0;
  for (int64_t i = 0; i < r->positive_count; i++) {
    const float score = r->positives[i].score;
    int64_t below = xr_tie_bound(ties, r->positives[i].index) - r->offset; /* columns for which an equal score is enough */
    below = below < 0 ? 0 : below < r->columns ? below : r->columns;
    int32_t precede = count_from(r->scores, below, score) + count_above(r->scores + below, r->columns - below, score);
    r->ahead[i] += precede - before;
    before = precede;
    if (i == 0 || r->positives[i - 1].score != score) r->equal[i] += count_equal(r->scores, r->columns, score);
  }
}

/* The first of `n` positives that satisfies precedes(item, positive), which is false, .., false, true, .., true along the list. */
static int64_t first_preceded(const xr_positive *p, int64_t n, float score, int64_t index, xr_tie_rule ties) {
  int64_t low = 0;
  while (n > 0) {
    const int64_t half = n / 2;
    const xr_positive *middle = &p[low + half];
    const bool precedes = score > middle->score || (score == middle->score && index < xr_tie_bound(ties, middle->index));
    low = precedes ? low : low + half + 1;
    n = precedes ? half : n - half - 1;
  }
  return low;
}

static void search_for_each(const row_part *r, xr_tie_rule ties) {
  const int64_t n = r->positive_count;
  const float lowest = r->positives[n - 1].score;
  for (int64_t c = 0; c < r->columns; c++) {
    const float score = r->scores[c];
    if (!(score >= lowest)) continue; /* precedes none; NaN ends here too */
    const int64_t place = first_preceded(r->positives, n, score, r->offset + c, ties);
    if (place < n) r->ahead[place]++;
    const int64_t run = first_preceded(r->positives, n, score, -1, XR_TIES_WORST); /* the first positive at or below the score */
    if (r->positives[run].score == score) r->equal[run]++;
  }
}

xr_status xr_rank_count_cpu(const xr_rank_count *a) {
  if (a->queries < 0 || a->gallery < 0 || a->stride < a->gallery || a->gallery_offset < 0 ||
      a->gallery_offset + a->gallery > (int64_t)INT32_MAX + 1)
    return xr_fail(XR_BAD_SHAPE, "rank count: a tile of %lld x %lld scores at gallery index %lld", (long long)a->queries,
                   (long long)a->gallery, (long long)a->gallery_offset);
#pragma omp parallel for schedule(static)
  for (int64_t q = 0; q < a->queries; q++) {
    const int64_t first = a->first[q], count = a->first[q + 1] - first;
    if (!count) continue;
    for (int64_t start = 0; start < a->gallery; start += ROW_BLOCK) {
      const row_part part = {.scores = a->scores + q * a->stride + start,
                             .columns = a->gallery - start < ROW_BLOCK ? a->gallery - start : ROW_BLOCK,
                             .offset = a->gallery_offset + start,
                             .positives = a->positives + first,
                             .positive_count = count,
                             .ahead = a->ahead + first,
                             .equal = a->equal + first};
      (count <= FEW_POSITIVES ? compare_with_each : search_for_each)(&part, a->ties);
    }
  }
  return XR_OK;
}
