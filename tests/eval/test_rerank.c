/* k-reciprocal re-ranking against its dense form in NumPy (tests/oracle/rerank.py), to 1e-5. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/random.h"
#include "host/eval/rerank.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

typedef struct {
  const char *name;
  xr_rerank_options options;
  xr_metric metric;
} rerank_case;

static const rerank_case cases[] = {
    {"paper", {20, 6, 0.3f}, XR_COSINE},       {"usual", {6, 3, 0.3f}, XR_COSINE},     {"odd", {5, 2, 0.25f}, XR_COSINE},
    {"odd_up", {7, 4, 0.5f}, XR_COSINE},       {"single", {1, 1, 0.3f}, XR_COSINE},    {"no_mean", {8, 1, 0.3f}, XR_COSINE},
    {"jaccard", {6, 3, 0}, XR_COSINE},         {"distance", {6, 3, 1}, XR_COSINE},     {"everybody", {100, 40, 0.3f}, XR_COSINE},
    {"euclidean", {6, 3, 0.3f}, XR_EUCLIDEAN}, {"blocks", {9, 4, 0.3f}, XR_COSINE},    {"pair", {20, 6, 0.3f}, XR_COSINE},
    {"ties", {4, 3, 0.3f}, XR_COSINE},         {"all_equal", {4, 2, 0.3f}, XR_COSINE}, {"all_zero", {2, 2, 0.3f}, XR_COSINE},
    {"one_way", {5, 3, 0.3f}, XR_COSINE},
};
enum { CASES = sizeof cases / sizeof *cases };

/* The whole result, `strip` queries at a time. */
static float *run(const rerank_case *c, const xr_rerank_input *in, int64_t strip) {
  xr_reranker *r;
  float *result = malloc((size_t)(in->queries * in->gallery) * sizeof *result);
  cr_assert(xr_reranker_new(&r, in, c->options) == XR_OK, "%s: %s", c->name, xr_message());
  for (int64_t q = 0; q < in->queries; q += strip)
    cr_assert_eq(xr_reranker_rows(r, q, in->queries - q < strip ? in->queries - q : strip, result + q * in->gallery), XR_OK);
  xr_reranker_free(r);
  return result;
}

Test(rerank, equals_the_dense_form) {
  xr_golden golden = xr_golden_open("rerank");
  for (int i = 0; i < CASES; i++) {
    const rerank_case *c = &cases[i];
    golden.name = c->name;
    xr_rerank_input in = {
        .queries = xr_golden_dim(&golden, "result", 0), .gallery = xr_golden_dim(&golden, "result", 1), .metric = c->metric};
    char name[40];
    snprintf(name, sizeof name, "%s.features", c->name);
    float *features = xr_safetensors_find(golden.file, name) ? xr_golden_load(&golden, "features", XR_F32) : NULL, *distances = NULL;
    if (features) {
      in.width = xr_golden_dim(&golden, "features", 1);
      in.query_features.data = features;
      in.gallery_features.data = features + in.queries * in.width;
    } else {
      in.distances = distances = xr_golden_load(&golden, "distances", XR_F32);
    }
    float *expected = xr_golden_load(&golden, "result", XR_F32), *whole = run(c, &in, in.queries), *strips = run(c, &in, 2);
    for (int64_t k = 0; k < in.queries * in.gallery; k++)
      cr_assert(fabsf(whole[k] - expected[k]) <= 1e-5f, "%s: query %lld, item %lld: %.8g instead of %.8g", c->name,
                (long long)(k / in.gallery), (long long)(k % in.gallery), (double)whole[k], (double)expected[k]);
    cr_assert(memcmp(whole, strips, (size_t)(in.queries * in.gallery) * sizeof *whole) == 0, "%s: two queries at a time give other bits",
              c->name);
    free(strips);
    free(whole);
    free(expected);
    free(distances);
    free(features);
  }
  xr_golden_close(&golden);
}

enum { QUERIES = 40, GALLERY = 160, WIDTH = 24 };

static void draw(float *features) {
  xr_random r = xr_random_start(5, 1);
  for (int i = 0; i < (QUERIES + GALLERY) * WIDTH; i++)
    features[i] = xr_random_normal(&r) + 2 * (float)((i % WIDTH * 7 + i / WIDTH % 25) % 5);
}

Test(rerank, same_for_any_threads) {
  static float features[(QUERIES + GALLERY) * WIDTH], result[QUERIES * GALLERY];
  draw(features);
  const xr_rerank_input in = {.queries = QUERIES,
                              .gallery = GALLERY,
                              .width = WIDTH,
                              .query_features = {.data = features},
                              .gallery_features = {.data = features + QUERIES * WIDTH}};
  const rerank_case c = {"threads", {12, 5, 0.3f}, XR_COSINE};
#define WHOLE()                         \
  ({                                    \
    float *got = run(&c, &in, QUERIES); \
    memcpy(result, got, sizeof result); \
    free(got);                          \
    XR_OK;                              \
  })
  XR_EXPECT_SAME_FOR_ANY_THREADS(WHOLE(), result, sizeof result);
}

/* Twins among the queries and the gallery: the order of equals is by index, and the result has no NaN. */
Test(rerank, twins) {
  static float features[(QUERIES + GALLERY) * WIDTH];
  draw(features);
  for (int i = 1; i < QUERIES + GALLERY; i += 2) memcpy(features + i * WIDTH, features + (i - 1) * WIDTH, WIDTH * sizeof *features);
  memset(features, 0, 4 * WIDTH * sizeof *features); /* and rows without a direction */
  const xr_rerank_input in = {.queries = QUERIES,
                              .gallery = GALLERY,
                              .width = WIDTH,
                              .query_features = {.data = features},
                              .gallery_features = {.data = features + QUERIES * WIDTH}};
  float *result = run(&(rerank_case){"twins", {10, 4, 0.3f}, XR_COSINE}, &in, QUERIES);
  for (int q = 4; q < QUERIES; q++)
    for (int g = 0; g < GALLERY; g += 2) {
      const float a = result[q * GALLERY + g], b = result[q * GALLERY + g + 1];
      cr_assert(a >= 0 && a <= 1 && b >= 0 && b <= 1, "query %d, item %d: %g, %g", q, g, (double)a, (double)b);
    }
  free(result);
}

static xr_status refuse(const xr_rerank_input *in, xr_rerank_options options) {
  xr_reranker *r;
  const xr_status status = xr_reranker_new(&r, in, options);
  cr_assert(status == XR_OK || !r, "nothing is left after a failure");
  xr_reranker_free(r);
  return status;
}

Test(rerank, what_cannot_be_used) {
  float features[4] = {1, 2, 3, 4};
  const float distances[9] = {0, 1, 2, 1, 0, NAN, 2, 3, 0}, endless[4] = {0, INFINITY, 1, 0};
  const xr_rerank_input in = {
      .queries = 1, .gallery = 1, .width = 2, .query_features = {.data = features}, .gallery_features = {.data = features + 2}};
  const xr_rerank_options usual = {20, 6, 0.3f};
  cr_assert_eq(refuse(&in, usual), XR_OK);
  cr_assert_eq(refuse(&in, (xr_rerank_options){0, 6, 0.3f}), XR_BAD_ARGUMENT);
  cr_assert_eq(refuse(&in, (xr_rerank_options){20, 0, 0.3f}), XR_BAD_ARGUMENT);
  cr_assert_eq(refuse(&in, (xr_rerank_options){20, 6, 1.5f}), XR_BAD_ARGUMENT);
  cr_assert_eq(refuse(&in, (xr_rerank_options){20, 6, NAN}), XR_BAD_ARGUMENT);
  xr_rerank_input bad = in;
  bad.gallery = 0;
  cr_assert_eq(refuse(&bad, usual), XR_BAD_SHAPE);
  bad = in;
  bad.metric = XR_DOT;
  cr_assert_eq(refuse(&bad, usual), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "needs a distance"), "%s", xr_message());
  bad = in;
  bad.gallery_features.data = NULL;
  cr_assert_eq(refuse(&bad, usual), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "needs the features"), "%s", xr_message());
  features[2] = NAN;
  cr_assert_eq(refuse(&in, usual), XR_NOT_FINITE);
  cr_assert(strstr(xr_message(), "gallery item 0"), "%s", xr_message());
  const xr_rerank_input matrix = {.queries = 1, .gallery = 2, .distances = distances},
                        infinite = {.queries = 1, .gallery = 1, .distances = endless};
  cr_assert_eq(refuse(&matrix, usual), XR_NOT_FINITE);
  cr_assert(strstr(xr_message(), "the distance of gallery item 1 to gallery item 0 is not"), "%s", xr_message());
  cr_assert_eq(refuse(&infinite, usual), XR_NOT_FINITE);
}

Test(rerank, words_of_the_option) {
  xr_rerank_options o;
  cr_assert_eq(xr_rerank_parse("20,6,0.3", &o), XR_OK);
  cr_assert(o.k1 == 20 && o.k2 == 6 && o.lambda == 0.3f);
  static const char *const wrong[] = {"",       "20",      "20,6",      "20,6,",    ",6,0.3",   "20,,0.3", "20,6,0.3,1",
                                      "20,6,x", "0,6,0.3", "20,-1,0.3", "20,6,1.1", "20,6,nan", "2 0,6,0"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    cr_assert_eq(xr_rerank_parse(wrong[i], &o), XR_BAD_ARGUMENT, "'%s' was taken", wrong[i]);
    cr_assert(strstr(xr_message(), wrong[i]), "%s", xr_message());
  }
}
