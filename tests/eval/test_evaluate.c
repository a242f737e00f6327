#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/eval/result_json.h"
#include "kernels/common/threads.h"
#include "tests/eval/reference.h"

#define COUNT(array) ((int64_t)(sizeof(array) / sizeof *(array)))
#define NEAR(a, b) cr_expect(fabs((a) - (b)) < 1e-12, "%s is %.17g, expected %.17g", #a, (double)(a), (double)(b))

static xr_evaluation evaluate(const xr_evaluation_input *in, xr_evaluation_options options) {
  xr_evaluation r;
  cr_assert_eq(xr_evaluate(in, &options, &r), XR_OK, "%s", xr_message());
  return r;
}

static void expect_failure(const xr_evaluation_input *in, xr_evaluation_options options, xr_status expected, const char *words) {
  xr_evaluation r;
  xr_status status = xr_evaluate(in, &options, &r);
  cr_expect_eq(status, expected, "status %d: %s", status, xr_message());
  cr_expect(strstr(xr_message(), words), "'%s' is not in: %s", words, xr_message());
  cr_expect_null(r.arena);
}

/* ---- worked examples */

Test(evaluate, several_positives_W1) {
  const float scores[] = {.9f, .8f, .3f, .5f, .4f, .1f, .7f, .6f, .2f, .3f};
  const xr_evaluation_input in = {
      .queries = 2, .gallery = 5, .scores = {.data = scores}, .query_ids = (int64_t[]){7, 9}, .gallery_ids = (int64_t[]){7, 8, 7, 9, 7}};
  xr_evaluation r = evaluate(&in, (xr_evaluation_options){.top_k = 3});
  const double cmc[] = {.5, .5, .5, 1, 1};
  cr_assert_eq(r.cmc_length, 5);
  for (int k = 0; k < 5; k++) NEAR(r.cmc[k], cmc[k]);
  NEAR(r.ap[0], .7);
  NEAR(r.ap[1], .25);
  NEAR(r.mAP, .475);
  NEAR(r.mINP, .425);
  cr_expect(r.valid == 2 && r.unmatched == 0 && r.ties_at_positives == 0);
  cr_expect_arr_eq(r.first_rank, ((int64_t[]){1, 4}), 2 * sizeof(int64_t));
  cr_expect_arr_eq(r.top_index, ((int64_t[]){0, 1, 3, 1, 2, 4}), 6 * sizeof(int64_t));
  xr_evaluation_free(&r);
}

Test(evaluate, ties_W2) {
  const float scores[] = {.5f, .5f, .5f, .2f, .5f, .5f, .5f, .2f};
  const xr_evaluation_input in = {
      .queries = 2, .gallery = 4, .scores = {.data = scores}, .query_ids = (int64_t[]){2, 1}, .gallery_ids = (int64_t[]){1, 2, 1, 2}};
  static const struct {
    xr_tie_rule rule;
    double ap[2], cmc[4];
  } cases[] = {{XR_TIES_LOWER_INDEX, {.5, 5. / 6}, {.5, 1, 1, 1}},
               {XR_TIES_BEST, {.75, 1}, {1, 1, 1, 1}},
               {XR_TIES_WORST, {5. / 12, 7. / 12}, {0, .5, 1, 1}}};
  for (int c = 0; c < 3; c++) {
    xr_evaluation r = evaluate(&in, (xr_evaluation_options){.ties = cases[c].rule});
    NEAR(r.ap[0], cases[c].ap[0]);
    NEAR(r.ap[1], cases[c].ap[1]);
    for (int k = 0; k < 4; k++) NEAR(r.cmc[k], cases[c].cmc[k]);
    cr_expect_eq(r.ties_at_positives, 3);
    xr_evaluation_free(&r);
  }
}

Test(evaluate, unmatched_query_is_skipped_by_regdb_W3) {
  const float distances[] = {.2f, .1f, .4f, .3f, .9f, .1f, .8f, .2f, .1f, .2f, .3f, .4f};
  const xr_evaluation_input in = {.queries = 3,
                                  .gallery = 4,
                                  .scores = {.data = distances},
                                  .distances = true,
                                  .query_ids = (int64_t[]){0, 1, 5},
                                  .gallery_ids = (int64_t[]){1, 0, 1, 0}};
  xr_evaluation r = evaluate(&in, (xr_evaluation_options){.protocol = xr_protocol_find("regdb")});
  const double cmc[] = {.5, .5, 1, 1};
  for (int k = 0; k < 4; k++) NEAR(r.cmc[k], cmc[k]);
  NEAR(r.mAP, .625);
  NEAR(r.mINP, 7. / 12);
  cr_expect(r.valid == 2 && r.unmatched == 1 && r.first_rank[2] == 0 && r.ap[2] == 0);
  xr_evaluation_free(&r);
}

Test(evaluate, one_element_gallery_W8) {
  const float scores[] = {.3f, -.2f};
  xr_evaluation_input in = {.queries = 2, .gallery = 1, .scores = {.data = scores}, .query_ids = (int64_t[]){5, 5}, .gallery_ids = (int64_t[]){5}};
  xr_evaluation r = evaluate(&in, (xr_evaluation_options){0});
  cr_expect(r.cmc_length == 1 && r.cmc[0] == 1 && r.mAP == 1 && r.mINP == 1);
  xr_evaluation_free(&r);
  in.query_ids = (int64_t[]){5, 6};
  r = evaluate(&in, (xr_evaluation_options){.top_k = 2});
  cr_expect(r.cmc_length == 1 && r.cmc[0] == .5 && r.mAP == 1 && r.mINP == 1 && r.valid == 1 && r.unmatched == 1);
  cr_expect_arr_eq(r.top_index, ((int64_t[]){0, -1, 0, -1}), 4 * sizeof(int64_t), "places behind the gallery are -1");
  xr_evaluation_free(&r);
}

Test(evaluate, shortened_lists_do_not_leak_into_each_other_W12) {
  const float distances[] = {.4f, .1f, .2f, .3f, .1f, .2f, .3f, .4f};
  for (int swapped = 0; swapped < 2; swapped++) {
    const float *rows[2] = {distances + 4 * swapped, distances + 4 * !swapped};
    float d[8];
    for (int i = 0; i < 8; i++) d[i] = rows[i / 4][i % 4];
    const xr_evaluation_input in = {.queries = 2,
                                    .gallery = 4,
                                    .scores = {.data = d},
                                    .distances = true,
                                    .query_ids = swapped ? (int64_t[]){2, 1} : (int64_t[]){1, 2},
                                    .gallery_ids = (int64_t[]){1, 2, 2, 3},
                                    .query_cameras = swapped ? (int64_t[]){0, 9} : (int64_t[]){9, 0},
                                    .gallery_cameras = (int64_t[]){0, 0, 1, 1}};
    xr_evaluation r = evaluate(&in, (xr_evaluation_options){.protocol = xr_protocol_find("market"), .max_rank = 4});
    const double cmc[] = {0, .5, .5, 1};
    for (int k = 0; k < 4; k++) NEAR(r.cmc[k], cmc[k]);
    xr_evaluation_free(&r);
  }
}

/* ---- against the slow reference */

typedef struct {
  int64_t queries, gallery, ids, levels; /* distinct ids and score levels: few levels make many ties */
} random_case;

/* Few, many (> 48) and no positives per query; galleries below, at and above the counting's block of 4096. */
static const random_case random_cases[] = {{1, 1, 1, 3},      {3, 17, 20, 4},    {130, 33, 7, 5},   {129, 257, 3, 4},  {257, 100, 60, 9},
                                           {12, 4097, 9, 50}, {9, 5000, 900, 6}, {64, 512, 300, 1}, {40, 600, 4, 1000}};

typedef struct {
  xr_evaluation_input in;
  float *scores;
  double *exact;
  int64_t *ids; /* query ids, gallery ids, query cameras, gallery cameras */
} problem;

static problem make_problem(const random_case *c, uint64_t seed, bool cameras) {
  const int64_t q = c->queries, g = c->gallery;
  problem p = {.scores = malloc((size_t)(q * g) * sizeof(float)),
               .exact = malloc((size_t)(q * g) * sizeof(double)),
               .ids = malloc((size_t)(2 * (q + g)) * sizeof(int64_t))};
  xr_random random = xr_random_start(seed, 1);
  for (int64_t i = 0; i < q * g; i++) {
    p.scores[i] = ((float)xr_random_below(&random, (uint32_t)c->levels) - (float)(c->levels / 2)) * 0.25f;
    if (p.scores[i] == 0 && (i & 1)) p.scores[i] = -0.0f;
    p.exact[i] = (double)p.scores[i];
  }
  for (int64_t i = 0; i < q + g; i++) p.ids[i] = (int64_t)xr_random_below(&random, (uint32_t)c->ids) * 1000003 - 7;
  p.ids[q] = p.ids[0]; /* at least one match */
  for (int64_t i = q + g; i < 2 * (q + g); i++) p.ids[i] = (int64_t)xr_random_below(&random, 2);
  p.ids[q + g] = 5; /* and the first query's camera removes none */
  p.in = (xr_evaluation_input){.queries = q, .gallery = g, .scores = {.data = p.scores}, .query_ids = p.ids, .gallery_ids = p.ids + q};
  if (cameras) {
    p.in.query_cameras = p.ids + q + g;
    p.in.gallery_cameras = p.ids + 2 * q + g;
  }
  return p;
}

static void free_problem(problem *p) {
  free(p->scores);
  free(p->exact);
  free(p->ids);
}

static void compare_with_reference(const problem *p, const xr_evaluation_input *in, xr_tie_rule rule, const char *protocol) {
  const int max_rank = in->gallery < 20 ? (int)in->gallery : 20;
  int64_t *first = malloc((size_t)in->queries * sizeof *first), *order = malloc((size_t)(in->queries * in->gallery) * sizeof *order);
  const ref_result want = ref_evaluate(in, p->exact, rule, xr_protocol_find(protocol)->misses_count, max_rank, first, order);
  const int64_t k = in->gallery < 30 ? in->gallery : 30;
  xr_evaluation got = evaluate(in,
                               (xr_evaluation_options){.protocol = xr_protocol_find(protocol), .max_rank = 20, .ties = rule, .top_k = k});
  cr_expect_eq(got.valid, want.valid);
  cr_expect_eq(got.unmatched, in->queries - want.valid);
  cr_expect_eq(got.ties_at_positives, want.ties, "%ld ties, expected %ld", got.ties_at_positives, want.ties);
  cr_expect_eq(got.cmc_length, max_rank);
  for (int i = 0; i < max_rank; i++) cr_expect_eq(got.cmc[i], want.cmc[i], "%ld x %ld, CMC %d", in->queries, in->gallery, i + 1);
  cr_expect_eq(got.mAP, want.mAP, "mAP %.17g, expected %.17g", got.mAP, want.mAP);
  cr_expect_eq(got.mINP, want.mINP);
  cr_expect_arr_eq(got.first_rank, first, (size_t)in->queries * sizeof *first);
  if (rule == XR_TIES_LOWER_INDEX)
    for (int64_t q = 0; q < in->queries; q++) cr_expect_arr_eq(got.top_index + q * k, order + q * in->gallery, (size_t)k * sizeof *order);
  xr_evaluation_free(&got);
  free(first);
  free(order);
}

Test(evaluate, equals_sorting_under_every_tie_rule) {
  for (int64_t c = 0; c < COUNT(random_cases); c++)
    for (int rule = 0; rule < XR_TIE_RULES; rule++) {
      problem p = make_problem(&random_cases[c], (uint64_t)(100 + c), false);
      compare_with_reference(&p, &p.in, (xr_tie_rule)rule, rule ? "regdb" : "text-to-image");
      free_problem(&p);
    }
}

Test(evaluate, equals_sorting_with_exclusion_by_camera) {
  for (int64_t c = 0; c < COUNT(random_cases); c++)
    for (int rule = 0; rule < XR_TIE_RULES; rule++) {
      problem p = make_problem(&random_cases[c], (uint64_t)(200 + c), true);
      compare_with_reference(&p, &p.in, (xr_tie_rule)rule, "market");
      free_problem(&p);
    }
}

/* Features of small whole numbers: products are exact, so even ties are the reference's. */
Test(evaluate, features_equal_sorting_for_dot_and_euclidean) {
  enum { Q = 150, G = 333, D = 19 };
  static float query[Q * D], gallery[G * D];
  static double exact[Q * G];
  static int64_t ids[Q + G];
  xr_random random = xr_random_start(3, 1);
  for (int i = 0; i < Q * D; i++) query[i] = (float)xr_random_below(&random, 5) - 2;
  for (int i = 0; i < G * D; i++) gallery[i] = (float)xr_random_below(&random, 5) - 2;
  for (int i = 0; i < Q + G; i++) ids[i] = xr_random_below(&random, 40);
  for (int metric = XR_DOT; metric <= XR_EUCLIDEAN; metric++) {
    for (int q = 0; q < Q; q++)
      for (int g = 0; g < G; g++) {
        double dot = 0, square = 0;
        for (int d = 0; d < D; d++) {
          const double a = (double)query[q * D + d], b = (double)gallery[g * D + d];
          dot += a * b;
          square += (a - b) * (a - b);
        }
        exact[q * G + g] = metric == XR_DOT ? dot : -square;
      }
    problem p = {.exact = exact};
    p.in = (xr_evaluation_input){.queries = Q,
                                 .gallery = G,
                                 .query_features = {.data = query},
                                 .gallery_features = {.data = gallery},
                                 .width = D,
                                 .rule = {.metric = (xr_metric)metric},
                                 .query_ids = ids,
                                 .gallery_ids = ids + Q};
    for (int rule = 0; rule < XR_TIE_RULES; rule++) compare_with_reference(&p, &p.in, (xr_tie_rule)rule, "text-to-image");
  }
}

/* Rows of powers of two times one-hot vectors: normalised, they are exact. A row of zeros scores 0 with everything. */
Test(evaluate, cosine_does_not_depend_on_lengths) {
  const float query[] = {4, 0, 0, 0, .5f, 0}, gallery[] = {0, 1024, 0, .25f, 0, 0, 0, 0, 0, -8, 0, 0};
  const xr_evaluation_input in = {.queries = 2,
                                  .gallery = 4,
                                  .query_features = {.data = query},
                                  .gallery_features = {.data = gallery},
                                  .width = 3,
                                  .query_ids = (int64_t[]){1, 2},
                                  .gallery_ids = (int64_t[]){2, 1, 3, 1}};
  xr_evaluation r = evaluate(&in, (xr_evaluation_options){.top_k = 4});
  cr_expect_arr_eq(r.top_index, ((int64_t[]){1, 0, 2, 3, 0, 1, 2, 3}), 8 * sizeof(int64_t));
  xr_evaluation_free(&r);
}

/* ---- invariance */

static void expect_same(const xr_evaluation *a, const xr_evaluation *b) {
  cr_expect_arr_eq(a->cmc, b->cmc, (size_t)a->cmc_length * sizeof *a->cmc);
  cr_expect_arr_eq(a->ap, b->ap, (size_t)a->queries * sizeof *a->ap);
  cr_expect_arr_eq(a->first_rank, b->first_rank, (size_t)a->queries * sizeof *a->first_rank);
  cr_expect_arr_eq(a->top_index, b->top_index, (size_t)(a->queries * a->top_k) * sizeof *a->top_index);
  cr_expect(a->mAP == b->mAP && a->mINP == b->mINP && a->ties_at_positives == b->ties_at_positives);
}

Test(evaluate, bytes_do_not_depend_on_memory_or_threads) {
  enum { Q = 700, G = 900, D = 130 };
  float *features = malloc((size_t)(Q + G) * D * sizeof *features);
  int64_t ids[Q + G];
  xr_random random = xr_random_start(5, 1);
  for (int i = 0; i < (Q + G) * D; i++) features[i] = xr_random_normal(&random);
  for (int i = 0; i < Q + G; i++) ids[i] = xr_random_below(&random, 200);
  memcpy(features + (Q + 1) * D, features + (Q + 800) * D, D * sizeof *features); /* twins far apart in the gallery tie exactly */
  const xr_evaluation_input in = {.queries = Q,
                                  .gallery = G,
                                  .query_features = {.data = features},
                                  .gallery_features = {.data = features + Q * D},
                                  .width = D,
                                  .query_ids = ids,
                                  .gallery_ids = ids + Q};
  xr_threads_set(1);
  xr_evaluation base = evaluate(&in, (xr_evaluation_options){.top_k = 40});
  static const size_t memory[] = {1, 256 * G * sizeof(float), 1u << 30};
  for (int threads = 1; threads <= 5; threads += 2)
    for (int m = 0; m < 3; m++) {
      xr_threads_set(threads);
      xr_evaluation other = evaluate(&in, (xr_evaluation_options){.top_k = 40, .memory_bytes = memory[m]});
      expect_same(&base, &other);
      xr_evaluation_free(&other);
    }
  xr_evaluation_free(&base);
  free(features);
}

/* Peers' defect 7: an AP that changes when all scores are shifted or have the other sign. */
Test(evaluate, only_the_order_of_the_scores_counts) {
  problem p = make_problem(&(random_case){50, 80, 10, 100}, 11, false);
  xr_evaluation a = evaluate(&p.in, (xr_evaluation_options){.top_k = 80});
  for (int64_t i = 0; i < 50 * 80; i++) p.scores[i] = 1000 - p.scores[i]; /* exact */
  p.in.distances = true;
  xr_evaluation b = evaluate(&p.in, (xr_evaluation_options){.top_k = 80});
  expect_same(&a, &b);
  xr_evaluation_free(&a);
  xr_evaluation_free(&b);
  free_problem(&p);
}

Test(evaluate, infinite_scores_have_their_place) {
  const float scores[] = {-INFINITY, INFINITY, 0, -INFINITY};
  const xr_evaluation_input in = {
      .queries = 1, .gallery = 4, .scores = {.data = scores}, .query_ids = (int64_t[]){1}, .gallery_ids = (int64_t[]){2, 3, 4, 1}};
  xr_evaluation r = evaluate(&in, (xr_evaluation_options){.top_k = 4});
  cr_expect_eq(r.first_rank[0], 4);
  cr_expect_arr_eq(r.top_index, ((int64_t[]){1, 2, 0, 3}), 4 * sizeof(int64_t));
  xr_evaluation_free(&r);
}

/* ---- refusals */

Test(evaluate, what_cannot_be_evaluated_is_named) {
  float scores[6] = {1, 2, 3, 4, NAN, NAN};
  const int64_t ids[3] = {1, 2, 3};
  xr_evaluation_input in = {.queries = 2, .gallery = 3, .scores = {.data = scores}, .query_ids = ids, .gallery_ids = ids};
  expect_failure(&in, (xr_evaluation_options){0}, XR_NOT_FINITE, "query 1, gallery item 1: the score is not a number");
  in.query_ids = (int64_t[]){8, 9};
  scores[4] = scores[5] = 0;
  expect_failure(&in, (xr_evaluation_options){0}, XR_BAD_INPUT, "none of the 2 queries has an item of its id");
  expect_failure(&in, (xr_evaluation_options){.protocol = xr_protocol_find("market")}, XR_BAD_INPUT, "market needs the cameras");
  in.queries = 0;
  expect_failure(&in, (xr_evaluation_options){0}, XR_BAD_SHAPE, "no queries");
  in.queries = 2;
  in.gallery = 0;
  expect_failure(&in, (xr_evaluation_options){0}, XR_BAD_SHAPE, "gallery is empty");
  in.gallery = 3;
  in.scores.data = NULL;
  expect_failure(&in, (xr_evaluation_options){0}, XR_BAD_ARGUMENT, "a matrix of scores");
  in.query_features.data = in.gallery_features.data = (float[]){1, 2, INFINITY};
  in.width = 1;
  expect_failure(&in, (xr_evaluation_options){0}, XR_NOT_FINITE, "query 0, gallery item 2: the score is not a number");
  in.width = 0;
  expect_failure(&in, (xr_evaluation_options){0}, XR_BAD_SHAPE, "no elements");
}

Test(evaluate, protocols_are_found_by_name) {
  cr_assert_not_null(xr_protocol_find("text-to-image"));
  cr_expect_null(xr_protocol_find("text"));
  char names[200]; /* every listed name exists */
  snprintf(names, sizeof names, "%s", xr_protocol_names());
  for (char *name = strtok(names, ", "); name; name = strtok(NULL, ", ")) cr_expect_not_null(xr_protocol_find(name), "%s", name);
}

/* ---- JSON */

Test(evaluate, json_of_one_result_and_of_trials) {
  double first[] = {.25, .5}, second[] = {.75, .5};
  xr_evaluation trials[2] = {{.protocol = xr_protocol_find("regdb"),
                              .queries = 4,
                              .gallery = 2,
                              .valid = 3,
                              .unmatched = 1,
                              .cmc_length = 2,
                              .cmc = first,
                              .mAP = 1. / 3,
                              .mINP = .125,
                              .ties_at_positives = 2}};
  trials[1] = trials[0];
  trials[1].cmc = second;
  trials[1].mAP = 2. / 3;
  char *json = xr_rank_json(&trials[0]);
  cr_expect_str_eq(json, "{\"queries\":4,\"gallery\":2,\"valid\":3,\"unmatched\":1,\"cmc\":[0.25,0.5],\"mAP\":0.33333333333333331,"
                         "\"mINP\":0.125,\"ties_at_positives\":2}");
  free(json);
  json = xr_eval_json(trials, 2);
  cr_expect_str_eq(json, "{\"protocol\":\"regdb\",\"queries\":4,\"gallery\":2,\"valid\":3,\"cmc\":[0.5,0.5],\"mAP\":0.5,\"mINP\":0.125,"
                         "\"trials\":[{\"cmc\":[0.25,0.5],\"mAP\":0.33333333333333331,\"mINP\":0.125},"
                         "{\"cmc\":[0.75,0.5],\"mAP\":0.66666666666666663,\"mINP\":0.125}]}");
  free(json);
}
