/* What tests/models/test_modules.c does not show of set similarity: equal values, not-a-numbers, sharpness, matchings, threads. */
#include <math.h>
#include <stdlib.h>

#include "kernels/embedding_set/assignment.h"
#include "kernels/embedding_set/set_similarity.h"
#include "tests/support/kernel.h"

typedef struct {
  xr_blocks held;
  float *cosine, *similarity, *upstream, *gradient;
  int64_t cosines, pairs;
  xr_set_similarity a;
} setup;

static setup *make(xr_set_kind kind, int64_t a_sets, int64_t a_size, int64_t b_sets, int64_t b_size) {
  setup *s = xr_block_alloc(sizeof *s);
  *s = (setup){.cosines = a_sets * a_size * b_sets * b_size, .pairs = a_sets * b_sets};
  s->a = (xr_set_similarity){.a_sets = a_sets, .a_size = a_size, .b_sets = b_sets, .b_size = b_size, .options = {kind, 16}};
  s->cosine = xr_random_block(&s->held, XR_F32, s->cosines, 1);
  s->upstream = xr_random_block(&s->held, XR_F32, s->pairs, 2);
  s->similarity = xr_random_block(&s->held, XR_F32, s->pairs, 3);
  s->gradient = xr_random_block(&s->held, XR_F32, s->cosines, 4);
  for (int64_t i = 0; i < s->cosines; i++) s->cosine[i] = tanhf(s->cosine[i]);
  s->a.cosine = s->cosine;
  s->a.similarity = s->similarity;
  s->a.dsimilarity = s->upstream;
  s->a.dcosine = s->gradient;
  return s;
}

static void drop(setup *s) {
  xr_release(&s->held);
  xr_block_free(s);
}

static void run(setup *s) {
  cr_assert(xr_set_similarity_forward_cpu(&s->a) == XR_OK, "%s", xr_message());
  cr_assert(xr_set_similarity_backward_cpu(&s->a) == XR_OK, "%s", xr_message());
}

/* The gradient of the only pair is `expected` times the upstream gradient. */
static void expect_weights(setup *s, const float *expected) {
  s->upstream[0] = 2;
  run(s);
  for (int64_t i = 0; i < s->cosines; i++) cr_assert_float_eq(s->gradient[i], 2 * expected[i], 1e-7, "element %lld", (long long)i);
}

Test(set_similarity, among_equals_the_first_counts) {
  const float c[6] = {0.5f, 0.75f, 0.75f, 0.75f, 0.25f, 0.75f}; /* 2 x 3 */
  setup *s = make(XR_SET_CHAMFER, 1, 2, 1, 3);
  memcpy(s->cosine, c, sizeof c);
  expect_weights(s, (const float[]){0, 0.25f + 1 / 6.0f, 1 / 6.0f, 0.25f + 1 / 6.0f, 0, 0});
  cr_assert_float_eq(s->similarity[0], 0.75, 1e-7);
  s->a.options.kind = XR_SET_MIL;
  expect_weights(s, (const float[]){0, 1, 0, 0, 0, 0});
  cr_assert_eq(s->similarity[0], 0.75f);
  drop(s);
}

/* Equal cosines give that cosine, in every kind: smooth-chamfer is centred. */
Test(set_similarity, equal_cosines_are_the_similarity) {
  for (int kind = 0; kind < XR_SET_KINDS; kind++)
    for (int64_t k = 1; k <= XR_MAX_SET_SIZE; k += 5) {
      setup *s = make((xr_set_kind)kind, 1, k, 1, kind == XR_SET_ALIGNED ? k : 3);
      for (int64_t i = 0; i < s->cosines; i++) s->cosine[i] = 0.4f;
      run(s);
      double total = 0;
      for (int64_t i = 0; i < s->cosines; i++) total += (double)s->gradient[i];
      cr_assert_float_eq(s->similarity[0], 0.4f, 1e-6, "kind %d", kind);
      cr_assert_float_eq(total, (double)s->upstream[0], 2e-6, "kind %d: weights add up to 1", kind);
      drop(s);
    }
}

Test(set_similarity, a_large_sharpness_is_chamfer) {
  setup *s = make(XR_SET_SMOOTH_CHAMFER, 2, 4, 3, 5), *t = make(XR_SET_CHAMFER, 2, 4, 3, 5);
  s->a.options.sharpness = 1e8f;
  run(s);
  run(t);
  for (int64_t i = 0; i < s->pairs; i++) cr_assert_float_eq(s->similarity[i], t->similarity[i], 1e-6);
  for (int64_t i = 0; i < s->cosines; i++) cr_assert_float_eq(s->gradient[i], t->gradient[i], 1e-6);
  drop(s);
  drop(t);
}

/* The largest sum over all ways to give each row from `row` on a column of its own. */
static double best_sum(const float *c, int rows, int columns, int row, unsigned taken) {
  if (row == rows) return 0;
  double best = -INFINITY;
  for (int j = 0; j < columns; j++)
    if (!(taken >> j & 1u)) best = fmax(best, (double)c[row * columns + j] + best_sum(c, rows, columns, row + 1, taken | 1u << j));
  return best;
}

Test(set_similarity, matchings_are_the_best) {
  enum { MOST = 6 };
  xr_blocks held = {.count = 0};
  for (int draw = 0; draw < 300; draw++) {
    const int rows = 1 + draw % MOST, columns = rows + draw / MOST % (MOST + 1 - rows);
    float *c = xr_random_block(&held, XR_F32, MOST * MOST, (uint64_t)draw);
    if (draw % 3 == 0)
      for (int i = 0; i < MOST * MOST; i++) c[i] = roundf(c[i]); /* with equals */
    int8_t match[XR_MAX_SET_SIZE];
    xr_assign(c, columns, 1, rows, columns, match);
    double sum = 0;
    unsigned taken = 0;
    for (int x = 0; x < rows; x++) {
      cr_assert(match[x] >= 0 && match[x] < columns && !(taken >> match[x] & 1u), "a column of its own");
      taken |= 1u << match[x];
      sum += (double)c[x * columns + match[x]];
    }
    cr_assert_float_eq(sum, best_sum(c, rows, columns, 0, 0), 1e-5, "%d x %d, draw %d", rows, columns, draw);
    xr_release(&held);
    held.count = 0;
  }
}

Test(set_similarity, a_matching_of_16_is_found) {
  float c[XR_MAX_SET_SIZE * XR_MAX_SET_SIZE];
  int8_t match[XR_MAX_SET_SIZE];
  for (int x = 0; x < 16; x++)
    for (int y = 0; y < 16; y++) c[x * 16 + y] = (float)(x * y); /* the sum is the largest in order */
  xr_assign(c, 16, 1, 16, 16, match);
  for (int x = 0; x < 16; x++) cr_assert_eq(match[x], x);
}

Test(set_similarity, not_a_number_reaches_the_similarity) {
  const float wrong[] = {NAN, INFINITY, -INFINITY};
  for (int kind = 0; kind < XR_SET_KINDS; kind++)
    for (int w = 0; w < 3; w++) {
      setup *s = make((xr_set_kind)kind, 2, 3, 20, 3);
      s->cosine[4 * 60 + 3 * 17 + 1] = wrong[w]; /* of sets 1 and 17, elements 1 and 1 */
      run(s);                                    /* ends */
      for (int64_t i = 0; i < s->pairs; i++)
        cr_assert((i == 20 + 17 && w == 0) ? isnan(s->similarity[i]) : i == 20 + 17 || isfinite(s->similarity[i]), "kind %d, pair %lld",
                  kind, (long long)i);
      drop(s);
    }
}

Test(set_similarity, gradients_are_added_in_place_and_to_others) {
  for (int kind = 0; kind < XR_SET_KINDS; kind++) {
    setup *s = make((xr_set_kind)kind, 3, 4, 21, 4);
    run(s);
    float *twice = memcpy(xr_random_block(&s->held, XR_F32, s->cosines, 5), s->gradient, (size_t)s->cosines * sizeof *twice);
    s->a.dcosine = twice;
    s->a.accumulate_dcosine = true;
    cr_assert_eq(xr_set_similarity_backward_cpu(&s->a), XR_OK);
    xr_expect_doubled(s->gradient, twice, XR_F32, s->cosines, "dcosine");
    s->a.accumulate_dcosine = false;
    s->a.dcosine = s->cosine;
    cr_assert_eq(xr_set_similarity_backward_cpu(&s->a), XR_OK);
    cr_assert_arr_eq(s->cosine, s->gradient, (size_t)s->cosines * sizeof *twice);
    drop(s);
  }
}

Test(set_similarity, same_for_any_threads) {
  for (int kind = 0; kind < XR_SET_KINDS; kind++) {
    setup *s = make((xr_set_kind)kind, 5, 4, 37, 4);
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_set_similarity_forward_cpu(&s->a), s->similarity, (size_t)s->pairs * sizeof(float));
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_set_similarity_backward_cpu(&s->a), s->gradient, (size_t)s->cosines * sizeof(float));
    drop(s);
  }
}

Test(set_similarity, wrong_arguments_are_refused) {
  xr_set_similarity a = {.a_sets = 1, .b_sets = 1, .a_size = 17, .b_size = 1, .options = {XR_SET_AVERAGE, 0}};
  cr_assert_eq(xr_set_similarity_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "1 sets of 17 elements and 1 of 1; a set has 1 to 16"), "%s", xr_message());
  a.a_size = 0;
  cr_assert_eq(xr_set_similarity_backward_cpu(&a), XR_BAD_SHAPE);
  a.a_size = 3;
  a.options.kind = XR_SET_ALIGNED;
  cr_assert_eq(xr_set_similarity_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "aligned sets of 3 and 1"), "%s", xr_message());
  a.options.kind = XR_SET_SMOOTH_CHAMFER;
  cr_assert_eq(xr_set_similarity_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "sharpness 0"), "%s", xr_message());
  a.options.sharpness = INFINITY;
  cr_assert_eq(xr_set_similarity_forward_cpu(&a), XR_BAD_ARGUMENT);
  a.options.kind = XR_SET_KINDS;
  cr_assert_eq(xr_set_similarity_forward_cpu(&a), XR_BAD_ARGUMENT);
}
