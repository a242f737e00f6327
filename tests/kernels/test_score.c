/* Scores of retrieval are what their contracts say, to the bit, however the work is cut. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/random.h"
#include "kernels/common/exact_math.h"
#include "kernels/common/threads.h"
#include "kernels/retrieval/hide.h"
#include "kernels/retrieval/identity_rank.h"
#include "kernels/retrieval/score_pairs.h"
#include "kernels/retrieval/set_score.h"
#include "kernels/retrieval/topk.h"
#include "kernels/retrieval/unit_rows.h"

enum { Q = 45, G = 150, D = 1100 };
static float query[Q * D], items[G * D], bias[G], scores[Q * G], want[Q * G];

static void fill(float *x, int64_t n, uint64_t key) {
  xr_random random = xr_random_start(key, 1);
  for (int64_t i = 0; i < n; i++) x[i] = xr_random_normal(&random);
}

static float chain(const float *a, const float *b, int64_t n) {
  float sum = 0;
  for (int64_t k = 0; k < n; k++) sum = fmaf(a[k], b[k], sum);
  return sum;
}

static void *scratch(size_t bytes) { return aligned_alloc(64, (bytes + 127) / 64 * 64); }

static void score(xr_score_tile a) {
  a.workspace = scratch(xr_score_tile_workspace(&a));
  cr_assert_eq(xr_score_tile_cpu(&a), XR_OK, "%s", xr_message());
  free(a.workspace);
}

Test(score, tile_is_the_chain_for_any_cut_and_number_of_threads) {
  fill(query, Q * D, 1);
  fill(items, G * D, 2);
  fill(bias, G, 3);
  static const int64_t widths[] = {1, 3, 16, 511, 512, 513, D}, cuts[][2] = {{Q, G}, {1, 1}, {7, 31}, {13, 100}, {12, 32}};
  for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
    const int64_t width = widths[w];
    for (int q = 0; q < Q; q++)
      for (int g = 0; g < G; g++) want[q * G + g] = chain(query + q * D, items + g * D, width) + bias[g];
    for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++)
      for (int packed = 0; packed < 2; packed++) {
        if (cuts[c][0] == 1 && (width > 16 || packed)) continue;
        xr_threads_set(1 + (int)c % 3);
        memset(scores, 0xff, sizeof scores);
        for (int64_t g = 0; g < G; g += cuts[c][1]) {
          const int64_t columns = G - g < cuts[c][1] ? G - g : cuts[c][1];
          xr_score_tile a = {.gallery = columns,
                             .width = width,
                             .items = items + g * D,
                             .query_stride = D,
                             .item_stride = D,
                             .stride = G,
                             .bias = bias + g};
          float *pack = scratch(xr_score_packed_bytes(columns, width));
          if (packed) cr_assert_eq(xr_score_pack_cpu(&a, pack), XR_OK);
          if (packed) a.packed = pack;
          for (int64_t q = 0; q < Q; q += cuts[c][0]) {
            a.queries = Q - q < cuts[c][0] ? Q - q : cuts[c][0];
            a.query = query + q * D;
            a.scores = scores + q * G + g;
            score(a);
          }
          free(pack);
        }
        cr_expect_arr_eq(scores, want, sizeof want, "width %d, cut %d, packed %d", (int)width, (int)c, packed);
      }
  }
}

/* Half and bf16 rows are those numbers exactly, also the smallest and the largest. */
Test(score, narrow_rows_are_widened_exactly) {
  static xr_bf16 brain[D];
  static _Float16 half[D];
  fill(query, D, 4);
  for (int k = 0; k < D; k++) {
    half[k] = k == 0 ? (_Float16)6e-8f : k == 1 ? (_Float16)65504 : (_Float16)query[k];
    brain[k] = xr_f32_to_bf16(k == 2 ? 1e-39f : query[k]);
    query[k] = xr_bf16_to_f32(brain[k]);
    items[k] = (float)half[k];
  }
  for (int64_t width = 1; width < 70; width += 17) {
    score((xr_score_tile){.queries = 1,
                          .gallery = 1,
                          .width = width,
                          .query_dtype = XR_BF16,
                          .item_dtype = XR_F16,
                          .query = brain,
                          .items = half,
                          .scores = scores});
    const float expected = chain(query, items, width);
    cr_expect_arr_eq(scores, &expected, sizeof expected, "width %d", (int)width);
    static const xr_score_pair pair = {0, 0};
    cr_assert_eq(xr_score_pairs_cpu(&(xr_score_pairs){.count = 1,
                                                      .queries = 1,
                                                      .gallery = 1,
                                                      .width = width,
                                                      .query_dtype = XR_F16,
                                                      .item_dtype = XR_BF16,
                                                      .query = half,
                                                      .items = brain,
                                                      .pairs = &pair,
                                                      .scores = scores}),
                 XR_OK);
    cr_expect_arr_eq(scores, &expected, sizeof expected, "a pair of width %d", (int)width);
  }
}

Test(score, pairs_have_the_scores_of_the_tile) {
  fill(query, Q * D, 1);
  fill(items, G * D, 2);
  fill(bias, G, 3);
  static xr_score_pair pairs[Q * G];
  static float single[Q * G];
  for (int i = 0; i < Q * G; i++) pairs[i] = (xr_score_pair){i / G, i % G};
  score((xr_score_tile){.queries = Q, .gallery = G, .width = D, .query = query, .items = items, .bias = bias, .scores = scores});
  for (int threads = 1; threads <= 3; threads++) {
    xr_threads_set(threads);
    xr_score_pairs a = {.count = Q * G, .queries = Q, .gallery = G, .width = D, .query = query, .items = items, .bias = bias};
    a.pairs = pairs;
    a.scores = single;
    cr_assert_eq(xr_score_pairs_cpu(&a), XR_OK, "%s", xr_message());
    cr_expect_arr_eq(single, scores, sizeof scores, "%d threads", threads);
  }
}

Test(score, unit_rows_have_length_one) {
  static float unit[Q * D], halves[Q], again[D];
  fill(query, Q * D, 5);
  for (int k = 0; k < D; k++) query[k] *= 1e30f; /* the square is beyond f32 */
  memset(query + D, 0, D * sizeof *query);
  xr_unit_rows a = {.rows = Q, .width = D, .x = query, .y = unit, .minus_half_squares = halves};
  cr_assert_eq(xr_unit_rows_cpu(&a), XR_OK, "%s", xr_message());
  for (int q = 0; q < Q; q++) {
    double square = 0, length = 0;
    for (int k = 0; k < D; k++) {
      square += (double)query[q * D + k] * (double)query[q * D + k];
      length += (double)unit[q * D + k] * (double)unit[q * D + k];
    }
    cr_expect_float_eq(length, q == 1 ? 0.0 : 1.0, 1e-6, "row %d", q);
    if (q) cr_expect_float_eq((double)halves[q], -square / 2, 1e-7 * square, "row %d", q);
    a = (xr_unit_rows){.rows = 1, .width = D, .x = query + q * D, .y = again};
    cr_assert_eq(xr_unit_rows_cpu(&a), XR_OK);
    cr_expect_arr_eq(again, unit + q * D, sizeof again, "row %d alone", q);
  }
}

/* ---- exp and log */
static double unit_of(double value) { /* of the last place of the f32 nearest to it */
  int exponent;
  frexp(value, &exponent);
  return ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

Test(score, exact_exp_and_log_are_off_by_a_unit_at_most) {
  double exp_error = 0, log_error = 0;
  for (uint64_t bits = 0; bits < 0x100000000u; bits += 1009) {
    const float x = xr_float_of_bits((uint32_t)bits);
    if (x >= -104 && x <= 88.72f) exp_error = fmax(exp_error, fabs((double)xr_exact_exp(x) - exp((double)x)) / unit_of(exp((double)x)));
    if (x > 0 && x < INFINITY) log_error = fmax(log_error, fabs((double)xr_exact_log(x) - log((double)x)) / unit_of(log((double)x)));
  }
  cr_expect_leq(exp_error, 1.0);
  cr_expect_leq(log_error, 1.0);
  cr_expect_eq(xr_exact_exp(0), 1);
  cr_expect_eq(xr_exact_exp(-INFINITY), 0);
  cr_expect_eq(xr_exact_exp(INFINITY), INFINITY);
  cr_expect(isnan(xr_exact_exp(NAN)));
  cr_expect_eq(xr_exact_log(1), 0);
  cr_expect_eq(xr_exact_log(0), -INFINITY);
  cr_expect_eq(xr_exact_log(INFINITY), INFINITY);
  cr_expect(isnan(xr_exact_log(-1)));
  cr_expect(isnan(xr_exact_log(NAN)));
}

/* ---- sets */
static double largest_sum(const double *c, int n, int m, int row, int column, unsigned used) {
  if (n == 0) return 0;
  double best = -INFINITY;
  for (int j = 0; j < m; j++)
    if (!(used >> j & 1)) best = fmax(best, c[j * column] + largest_sum(c + row, n - 1, m, row, column, used | 1u << j));
  return best;
}

static double similarity(xr_set_kind kind, const double *c, int k1, int k2, double a) {
  double sum = 0, most = -INFINITY;
  for (int x = 0; x < k1; x++)
    for (int y = 0; y < k2; y++) {
      most = fmax(most, c[x * k2 + y]);
      if (kind == XR_SET_AVERAGE) sum += c[x * k2 + y] / (k1 * k2);
      if (kind == XR_SET_ALIGNED && x == y) sum += c[x * k2 + y] / k1;
    }
  if (kind == XR_SET_MIL) return most;
  if (kind == XR_SET_OPTIMAL) return k1 <= k2 ? largest_sum(c, k1, k2, k2, 1, 0) / k1 : largest_sum(c, k2, k1, 1, k2, 0) / k2;
  if (kind == XR_SET_AVERAGE || kind == XR_SET_ALIGNED) return sum;
  for (int side = 0; side < 2; side++) {
    const int n = side ? k2 : k1, m = side ? k1 : k2;
    for (int i = 0; i < n; i++) {
      double total = 0;
      most = -INFINITY;
      for (int j = 0; j < m; j++) {
        const double value = side ? c[j * k2 + i] : c[i * k2 + j];
        most = fmax(most, value);
        total += exp(a * value);
      }
      sum += (kind == XR_SET_CHAMFER ? most : log(total) / a) / (2 * n);
    }
  }
  return kind == XR_SET_CHAMFER ? sum : sum - log((double)k1 * k2) / (2 * a);
}

Test(score, set_scores_are_the_definitions_for_any_cut) {
  enum { SETS = 3, ITEMS = 37, MOST = 7 };
  static float cosines[SETS * MOST * ITEMS * MOST], global[SETS * ITEMS], got[SETS * ITEMS], again[SETS * ITEMS];
  static const int sizes[][2] = {{1, 1}, {2, 2}, {4, 4}, {3, 7}, {7, 2}, {6, 6}};
  fill(global, SETS * ITEMS, 7);
  for (int kind = 0; kind < XR_SET_KINDS; kind++)
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
      const int k1 = sizes[s][0], k2 = sizes[s][1], width = ITEMS * k2;
      if (kind == XR_SET_ALIGNED && k1 != k2) continue;
      fill(cosines, SETS * k1 * width, 8 + s);
      for (int i = 0; i < SETS * k1 * width; i++) cosines[i] = s == 1 ? rintf(cosines[i]) / 4 : sinf(cosines[i]);
      xr_set_score a = {.queries = SETS,
                        .gallery = ITEMS,
                        .query_set = k1,
                        .item_set = k2,
                        .kind = (xr_set_kind)kind,
                        .sharpness = s % 2 ? 9 : 90,
                        .weight = 0.75f,
                        .cosines = cosines,
                        .global = global,
                        .scores = got};
      cr_assert_eq(xr_set_score_cpu(&a), XR_OK, "%s", xr_message());
      for (int q = 0; q < SETS; q++)
        for (int g = 0; g < ITEMS; g++) {
          double c[MOST * MOST];
          for (int x = 0; x < k1; x++)
            for (int y = 0; y < k2; y++) c[x * k2 + y] = (double)cosines[(q * k1 + x) * width + g * k2 + y];
          const double expected = 0.25 * (double)global[q * ITEMS + g] +
                                  0.75 * similarity((xr_set_kind)kind, c, k1, k2, (double)a.sharpness);
          cr_expect_float_eq((double)got[q * ITEMS + g], expected, 5e-7, "kind %d, %d x %d, %d and %d", kind, k1, k2, q, g);
        }
      a.cosine_stride = width;
      a.global_stride = a.stride = ITEMS;
      a.gallery = 1;
      for (int g = 0; g < ITEMS; g++) {
        a.cosines = cosines + g * k2;
        a.global = global + g;
        a.scores = again + g;
        cr_assert_eq(xr_set_score_cpu(&a), XR_OK, "%s", xr_message());
      }
      cr_expect_arr_eq(again, got, sizeof got, "kind %d, %d x %d, item by item", kind, k1, k2);
    }
}

/* ---- what a query sees */
Test(score, hidden_items_become_nan_after_the_first_nan_is_found) {
  float s[2][5] = {{1, 2, NAN, 4, NAN}, {5, 6, 7, 8, 9}};
  static const int32_t item_code[4] = {3, 0, 3, 1}, hidden_code[2] = {3, -1};
  int32_t nan_at[2];
  cr_assert_eq(
      xr_hide_cpu(&(xr_hide){
          .queries = 2, .gallery = 4, .stride = 5, .scores = s[0], .item_code = item_code, .hidden_code = hidden_code, .nan_at = nan_at}),
      XR_OK, "%s", xr_message());
  cr_expect_eq(nan_at[0], 2);
  cr_expect_eq(nan_at[1], -1);
  for (int g = 0; g < 4; g++) {
    cr_expect_eq(isnan(s[0][g]) != 0, g == 0 || g == 2, "item %d", g);
    cr_expect_eq(s[1][g], (float)(5 + g));
  }
}

/* The list of distinct identities, made by sorting as the peers do, against the bits. */
Test(score, place_of_an_identity_is_that_of_the_sorted_list) {
  enum { N = 4200, IDENTITIES = 70, QUERIES = 6 };
  static float s[QUERIES * N];
  static int32_t identity[N], chosen[N];
  xr_random random = xr_random_start(21, 1);
  for (int i = 0; i < QUERIES * N; i++) s[i] = xr_random_below(&random, 30) ? (float)xr_random_below(&random, 200) : NAN;
  int64_t chosen_count = 0;
  for (int g = 0; g < N; g++) {
    identity[g] = (int32_t)xr_random_below(&random, IDENTITIES);
    if (g % 5) chosen[chosen_count++] = g;
  }
  for (int tiling = 0; tiling < 3; tiling++) {
    uint32_t bits[QUERIES * 3] = {0};
    xr_positive best[QUERIES];
    int32_t own[QUERIES];
    int64_t expected[QUERIES];
    for (int q = 0; q < QUERIES; q++) {
      int32_t first[IDENTITIES]; /* each identity's best item */
      memset(first, 0xff, sizeof first);
      for (int64_t i = 0; i < chosen_count; i++) {
        const int32_t g = chosen[i];
        const float score_of = s[q * N + g];
        int32_t *at = &first[identity[g]];
        if (score_of == score_of && (*at < 0 || score_of > s[q * N + *at])) *at = g;
      }
      own[q] = q * 11;
      best[q] = (xr_positive){s[q * N + first[own[q]]], first[own[q]]};
      expected[q] = 1;
      for (int i = 0; i < IDENTITIES; i++)
        if (first[i] >= 0 && (s[q * N + first[i]] > best[q].score || (s[q * N + first[i]] == best[q].score && first[i] < best[q].index)))
          expected[q]++;
    }
    xr_identity_rank a = {.queries = QUERIES,
                          .stride = N,
                          .identities = IDENTITIES,
                          .item_identity = identity,
                          .own_identity = own,
                          .best = best,
                          .bits = bits};
    const int64_t columns = tiling == 0 ? N : tiling == 1 ? 1000 : 37, tiles = (N + columns - 1) / columns;
    for (int64_t t = tiles - 1; t >= 0; t--) {
      int64_t low = 0, high = 0;
      while (low < chosen_count && chosen[low] < t * columns) low++;
      for (high = low; high < chosen_count && chosen[high] < (t + 1) * columns;) high++;
      a.gallery_offset = t * columns;
      a.gallery = N - a.gallery_offset < columns ? N - a.gallery_offset : columns;
      a.scores = s + a.gallery_offset;
      a.chosen = chosen + low;
      a.chosen_count = high - low;
      cr_assert_eq(xr_identity_rank_cpu(&a), XR_OK, "%s", xr_message());
    }
    for (int q = 0; q < QUERIES; q++)
      cr_expect_eq(xr_identity_place(bits + 3 * q, IDENTITIES), expected[q], "tiling %d, query %d", tiling, q);
  }
}

/* Counting and the best of a chosen gallery equal those of a gallery of these items alone. */
Test(score, chosen_items_are_the_whole_gallery) {
  enum { N = 9000, K = 12 };
  static float s[N], kept[N];
  static int32_t chosen[N];
  fill(s, N, 31);
  int64_t count = 0;
  for (int g = 0; g < N; g++)
    if (g % 7 < 3) {
      kept[count] = s[g];
      chosen[count++] = g;
    }
  float top[2][K];
  int64_t index[2][K];
  int32_t ahead[2] = {0}, equal[2] = {0};
  static const int64_t first[2] = {0, 1};
  for (int side = 0; side < 2; side++) {
    xr_topk a = {.queries = 1, .k = K, .top_scores = top[side], .top_indices = index[side], .gallery = side ? count : N};
    a.scores = side ? kept : s;
    a.stride = a.gallery;
    a.chosen = side ? NULL : chosen;
    a.chosen_count = count;
    cr_assert_eq(xr_topk_begin_cpu(&a), XR_OK);
    cr_assert_eq(xr_topk_update_cpu(&a), XR_OK, "%s", xr_message());
    cr_assert_eq(xr_topk_finish_cpu(&a), XR_OK);
    const xr_positive positive = {kept[1234], side ? 1234 : chosen[1234]};
    xr_rank_count c = {.queries = 1,
                       .gallery = a.gallery,
                       .stride = a.gallery,
                       .chosen = a.chosen,
                       .chosen_count = count,
                       .scores = a.scores,
                       .first = first,
                       .positives = &positive,
                       .ahead = &ahead[side],
                       .equal = &equal[side]};
    cr_assert_eq(xr_rank_count_cpu(&c), XR_OK, "%s", xr_message());
  }
  cr_expect_arr_eq(top[0], top[1], sizeof top[0]);
  for (int i = 0; i < K; i++) cr_expect_eq(index[0][i], chosen[index[1][i]], "place %d", i);
  cr_expect_eq(ahead[0], ahead[1]);
  cr_expect_eq(equal[0], 1);
  cr_expect_eq(equal[1], 1);
}

#define EXPECT_REFUSED(call, status, text)                     \
  do {                                                         \
    cr_expect_eq((call), (status));                            \
    cr_expect(strstr(xr_message(), text), "%s", xr_message()); \
  } while (0)

Test(score, wrong_arguments_are_refused) {
  static const xr_score_pair pair = {0, 4};
  static const int32_t twice[2] = {1, 1}, codes[2] = {0}, identity[2] = {0, 9};
  static const xr_positive best = {0, 0};
  float x[4] = {0};
  uint32_t bits[1] = {0};
  EXPECT_REFUSED(xr_score_tile_check(&(xr_score_tile){.queries = 1, .gallery = 1}), XR_BAD_SHAPE, "of 0 elements");
  EXPECT_REFUSED(xr_score_tile_check(&(xr_score_tile){.queries = 1, .gallery = 1, .width = 4, .query_stride = 3}), XR_BAD_SHAPE,
                 "3, 0 and 0");
  EXPECT_REFUSED(xr_score_tile_check(&(xr_score_tile){.queries = 1, .gallery = 1, .width = 4, .item_dtype = XR_I32}), XR_UNSUPPORTED,
                 "i32");
  EXPECT_REFUSED(xr_score_pairs_cpu(&(xr_score_pairs){.count = 1, .queries = 1, .gallery = 4, .width = 1, .pairs = &pair}), XR_BAD_INPUT,
                 "row 4 of 4 items");
  EXPECT_REFUSED(xr_unit_rows_check(&(xr_unit_rows){.rows = 1, .width = 2, .x_stride = 1}), XR_BAD_SHAPE, "unit rows");
  xr_set_score set = {.queries = 1, .gallery = 1, .query_set = 2, .item_set = 17, .sharpness = 1};
  EXPECT_REFUSED(xr_set_score_check(&set), XR_BAD_SHAPE, "sets of 17 (at most 16)");
  set.item_set = 3;
  set.kind = XR_SET_ALIGNED;
  EXPECT_REFUSED(xr_set_score_check(&set), XR_BAD_SHAPE, "2 and 3");
  set.kind = XR_SET_SMOOTH_CHAMFER;
  set.sharpness = 0;
  EXPECT_REFUSED(xr_set_score_check(&set), XR_BAD_ARGUMENT, "sharpness");
  set.sharpness = 1;
  set.weight = 2;
  EXPECT_REFUSED(xr_set_score_check(&set), XR_BAD_ARGUMENT, "weight");
  EXPECT_REFUSED(xr_hide_check(&(xr_hide){.queries = 1, .gallery = 2, .stride = 2, .item_code = codes}), XR_BAD_ARGUMENT, "go together");
  EXPECT_REFUSED(xr_topk_update_cpu(&(xr_topk){.queries = 1, .k = 1, .gallery = 2, .stride = 2, .chosen = twice, .chosen_count = 2}),
                 XR_BAD_INPUT, "chosen item 1 has gallery index 1");
  EXPECT_REFUSED(xr_topk_check(&(xr_topk){.queries = 1}), XR_BAD_SHAPE, "k is 0");
  xr_identity_rank a = {
      .queries = 1, .gallery = 2, .stride = 2, .scores = x, .identities = 2, .item_identity = identity, .own_identity = codes};
  a.best = &best;
  a.bits = bits;
  EXPECT_REFUSED(xr_identity_rank_cpu(&a), XR_BAD_INPUT, "gallery item 1 has identity 9 of 2");
}
