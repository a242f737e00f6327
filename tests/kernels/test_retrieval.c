#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/random.h"
#include "kernels/retrieval/rank_count.h"
#include "kernels/retrieval/topk.h"

enum { Q = 5, G = 9001, K = 37 };
static float scores[Q * G];

/* Few levels, some NaN: many ties, some items that take no part. */
static void fill_scores(void) {
  xr_random random = xr_random_start(9, 1);
  for (int i = 0; i < Q * G; i++) {
    scores[i] = (float)xr_random_below(&random, 40) - 20;
    if (xr_random_below(&random, 50) == 0) scores[i] = NAN;
  }
}

static int compare_positives(const void *a, const void *b) {
  const xr_positive *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return (x->index > y->index) - (x->index < y->index);
}

/* Columns of a tile sequence: whole row, round and odd pieces; `backwards` runs them from the end. */
static const int64_t tile_columns[] = {G, 4000, 611};
enum { TILINGS = 2 * sizeof tile_columns / sizeof *tile_columns };

static void for_tiles(int tiling, void (*run)(int64_t offset, int64_t columns, void *state), void *state) {
  const int64_t columns = tile_columns[tiling / 2], tiles = (G + columns - 1) / columns;
  for (int64_t t = 0; t < tiles; t++) {
    const int64_t offset = (tiling % 2 ? tiles - 1 - t : t) * columns;
    run(offset, G - offset < columns ? G - offset : columns, state);
  }
}

static void count_tile(int64_t offset, int64_t columns, void *state) {
  xr_rank_count a = *(xr_rank_count *)state;
  a.gallery_offset = offset;
  a.gallery = columns;
  a.scores = scores + offset;
  cr_assert_eq(xr_rank_count_cpu(&a), XR_OK, "%s", xr_message());
}

Test(retrieval, rank_counts_are_the_definition_for_any_tiling) {
  fill_scores();
  static const int64_t per_query[Q] = {0, 1, 47, 49, 700}; /* on both sides of the change of method */
  int64_t first[Q + 1] = {0};
  static xr_positive positives[800];
  static int32_t ahead[800], equal[800], want_ahead[800], want_equal[800];
  for (int q = 0; q < Q; q++) {
    int64_t n = first[q];
    for (int32_t g = 3; n < first[q] + per_query[q]; g += 11)
      if (scores[q * G + g] == scores[q * G + g]) positives[n++] = (xr_positive){scores[q * G + g], g};
    first[q + 1] = n;
    if (per_query[q]) qsort(positives + first[q], (size_t)per_query[q], sizeof *positives, compare_positives);
  }
  for (int rule = 0; rule < XR_TIE_RULES; rule++) {
    memset(want_ahead, 0, sizeof want_ahead);
    memset(want_equal, 0, sizeof want_equal);
    for (int q = 0; q < Q; q++)
      for (int g = 0; g < G; g++) {
        const float s = scores[q * G + g];
        int64_t i = first[q];
        while (i < first[q + 1] &&
               !(s > positives[i].score || (s == positives[i].score && g < xr_tie_bound((xr_tie_rule)rule, positives[i].index))))
          i++;
        if (i < first[q + 1]) want_ahead[i]++;
        for (i = first[q]; i < first[q + 1]; i++)
          if (s == positives[i].score) {
            want_equal[i]++;
            break;
          }
      }
    for (int tiling = 0; tiling < TILINGS; tiling++) {
      memset(ahead, 0, sizeof ahead);
      memset(equal, 0, sizeof equal);
      xr_rank_count a = {
          .queries = Q, .stride = G, .first = first, .positives = positives, .ties = (xr_tie_rule)rule, .ahead = ahead, .equal = equal};
      for_tiles(tiling, count_tile, &a);
      cr_expect_arr_eq(ahead, want_ahead, sizeof ahead, "rule %d, tiling %d", rule, tiling);
      cr_expect_arr_eq(equal, want_equal, sizeof equal, "rule %d, tiling %d", rule, tiling);
    }
  }
}

static void topk_tile(int64_t offset, int64_t columns, void *state) {
  xr_topk a = *(xr_topk *)state;
  a.gallery_offset = offset;
  a.gallery = columns;
  a.scores = scores + offset;
  cr_assert_eq(xr_topk_update_cpu(&a), XR_OK, "%s", xr_message());
}

static void check_topk(int64_t k) {
  float *best = malloc((size_t)(Q * k) * sizeof *best);
  int64_t *index = malloc((size_t)(Q * k) * sizeof *index);
  xr_positive *sorted = malloc(G * sizeof *sorted);
  for (int tiling = 0; tiling < TILINGS; tiling++) {
    xr_topk a = {.queries = Q, .k = k, .top_scores = best, .top_indices = index, .stride = G};
    cr_assert_eq(xr_topk_begin_cpu(&a), XR_OK);
    for_tiles(tiling, topk_tile, &a);
    cr_assert_eq(xr_topk_finish_cpu(&a), XR_OK);
    for (int q = 0; q < Q; q++) {
      int64_t n = 0;
      for (int32_t g = 0; g < G; g++)
        if (scores[q * G + g] == scores[q * G + g]) sorted[n++] = (xr_positive){scores[q * G + g], g};
      qsort(sorted, (size_t)n, sizeof *sorted, compare_positives);
      for (int64_t i = 0; i < k; i++) {
        const int64_t want = i < n ? sorted[i].index : -1;
        const float want_score = i < n ? sorted[i].score : -INFINITY;
        cr_assert(index[q * k + i] == want && best[q * k + i] == want_score, "k %ld, tiling %d, query %d, place %ld", k, tiling, q, i);
      }
    }
  }
  free(best);
  free(index);
  free(sorted);
}

Test(retrieval, topk_is_a_stable_sort_for_any_tiling) {
  fill_scores();
  check_topk(1);
  check_topk(2);
  check_topk(K);
  check_topk(G + 5);
}

Test(retrieval, tiles_that_make_no_sense_are_refused) {
  cr_expect_eq(xr_rank_count_cpu(&(xr_rank_count){.queries = 1, .gallery = 5, .stride = 4}), XR_BAD_SHAPE);
  cr_expect_eq(xr_rank_count_cpu(&(xr_rank_count){.queries = 1, .gallery = 5, .stride = 5, .gallery_offset = INT32_MAX}), XR_BAD_SHAPE);
  cr_expect_eq(xr_topk_begin_cpu(&(xr_topk){.queries = 1, .k = 0}), XR_BAD_SHAPE);
  cr_expect_eq(xr_topk_update_cpu(&(xr_topk){.queries = 1, .k = 1, .gallery = 5, .stride = 4}), XR_BAD_SHAPE);
}
