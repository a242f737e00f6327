#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/eval/result_json.h"
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

Test(evaluate, trapezoid_precision_of_W1) {
  const float scores[] = {.9f, .8f, .3f, .5f, .4f, .1f, .7f, .6f, .2f, .3f};
  const xr_evaluation_input in = {
      .queries = 2, .gallery = 5, .scores = {.data = scores}, .query_ids = (int64_t[]){7, 9}, .gallery_ids = (int64_t[]){7, 8, 7, 9, 7}};
  xr_evaluation r = evaluate(&in, (xr_evaluation_options){.ap = XR_AP_TRAPEZOID});
  NEAR(r.ap[0], (1 + (1. / 2 + 1. / 3) / 2 + (3. / 5 + 2. / 4) / 2) / 3);
  NEAR(r.ap[1], .125);
  NEAR(r.mAP, (.65555555555555556 + .125) / 2);
  NEAR(r.mINP, .425);
  cr_expect_eq(xr_ap_kind_find("trapezoid"), XR_AP_TRAPEZOID);
  cr_expect_eq(xr_ap_kind_find("area"), XR_AP_KINDS);
  xr_evaluation_free(&r);
}

static void expect_curve(const double *got, int64_t length, const double *want, int64_t count) {
  cr_assert_eq(length, count, "%ld entries, expected %ld", length, count);
  for (int64_t k = 0; k < count; k++) NEAR(got[k], want[k]);
}

/* Queries of camera 3 keep 4 of 6 items, one of camera 6 all: lists of different lengths (peers refuse them). */
Test(evaluate, sysu_hides_camera_2_from_camera_3_W4) {
  const float distances[] = {.5f, .1f, .2f, .4f, .3f, .6f, .5f, .1f, .2f, .4f, .3f, .6f};
  const xr_evaluation_input in = {.queries = 2,
                                  .gallery = 6,
                                  .scores = {.data = distances},
                                  .distances = true,
                                  .query_ids = (int64_t[]){1, 1},
                                  .query_cameras = (int64_t[]){3, 6},
                                  .gallery_ids = (int64_t[]){1, 1, 2, 2, 3, 3},
                                  .gallery_cameras = (int64_t[]){1, 2, 1, 4, 2, 5}};
  for (int64_t max_rank = 3; max_rank <= 20; max_rank += 17) {
    xr_evaluation r = evaluate(&in, (xr_evaluation_options){.protocol = xr_protocol_find("sysu-mm01"), .max_rank = max_rank, .top_k = 6});
    expect_curve(r.id_cmc, r.id_cmc_length, (double[]){.5, 1, 1}, 3);
    expect_curve(r.cmc, r.cmc_length, (double[]){.5, .5, 1, 1, 1, 1}, max_rank < 6 ? 3 : 6);
    NEAR(r.ap[0], 1. / 3);
    NEAR(r.ap[1], .7);
    NEAR(r.mAP, (1. / 3 + .7) / 2);
    NEAR(r.mINP, (1. / 3 + .4) / 2);
    cr_expect_arr_eq(r.top_index, ((int64_t[]){2, 3, 0, 5, -1, -1, 1, 2, 4, 3, 0, 5}), 12 * sizeof(int64_t));
    xr_evaluation_free(&r);
  }
}

Test(evaluate, llcm_hides_the_same_person_by_the_same_camera_W5) {
  const float distances[] = {.1f, .4f, .2f, .3f, .1f, .2f, .3f, .4f};
  const xr_evaluation_input in = {.queries = 2,
                                  .gallery = 4,
                                  .scores = {.data = distances},
                                  .distances = true,
                                  .query_ids = (int64_t[]){1, 2},
                                  .query_cameras = (int64_t[]){1, 3},
                                  .gallery_ids = (int64_t[]){1, 1, 2, 3},
                                  .gallery_cameras = (int64_t[]){1, 2, 1, 3}};
  xr_evaluation r = evaluate(&in, (xr_evaluation_options){.protocol = xr_protocol_find("llcm"), .max_rank = 3});
  expect_curve(r.id_cmc, r.id_cmc_length, (double[]){0, .5, 1}, 3);
  expect_curve(r.cmc, r.cmc_length, (double[]){0, 0, 1}, 3);
  NEAR(r.mAP, 1. / 3);
  NEAR(r.mINP, 1. / 3);
  xr_evaluation_free(&r);
}

Test(evaluate, sysu_with_several_pictures_a_person_W6) {
  const float distances[] = {.6f, .2f, .1f, .3f, .4f, .5f};
  const xr_evaluation_input in = {.queries = 1,
                                  .gallery = 6,
                                  .scores = {.data = distances},
                                  .distances = true,
                                  .query_ids = (int64_t[]){1},
                                  .query_cameras = (int64_t[]){6},
                                  .gallery_ids = (int64_t[]){1, 1, 2, 2, 3, 3},
                                  .gallery_cameras = (int64_t[]){1, 1, 1, 1, 1, 1}};
  xr_evaluation r = evaluate(&in, (xr_evaluation_options){.protocol = xr_protocol_find("sysu-mm01")});
  expect_curve(r.id_cmc, r.id_cmc_length, (double[]){0, 1, 1}, 3);
  NEAR(r.mAP, (1. / 2 + 2. / 6) / 2);
  xr_evaluation_free(&r);
}

Test(evaluate, sysu_divides_by_queries_with_a_match_W7) {
  const float distances[] = {.1f, .2f, .3f, .3f, .2f, .1f, .3f, .1f, .2f};
  const xr_evaluation_input in = {.queries = 3,
                                  .gallery = 3,
                                  .scores = {.data = distances},
                                  .distances = true,
                                  .query_ids = (int64_t[]){1, 99, 3},
                                  .query_cameras = (int64_t[]){6, 6, 6},
                                  .gallery_ids = (int64_t[]){1, 2, 3},
                                  .gallery_cameras = (int64_t[]){1, 1, 1}};
  xr_evaluation r = evaluate(&in, (xr_evaluation_options){.protocol = xr_protocol_find("sysu-mm01")});
  expect_curve(r.id_cmc, r.id_cmc_length, (double[]){.5, 1, 1}, 3);
  expect_curve(r.cmc, r.cmc_length, (double[]){.5, 1, 1}, 3);
  NEAR(r.mAP, .75);
  cr_expect(r.valid == 2 && r.unmatched == 1);
  xr_evaluation_free(&r);
}

/* Every item of the only match is hidden: a query without a match, not an error, unless it is the only one. */
Test(evaluate, a_match_that_is_hidden_is_none) {
  const float distances[] = {.1f, .2f, .3f, .4f};
  xr_evaluation_input in = {.queries = 2,
                            .gallery = 2,
                            .scores = {.data = distances},
                            .distances = true,
                            .query_ids = (int64_t[]){1, 2},
                            .query_cameras = (int64_t[]){4, 5},
                            .gallery_ids = (int64_t[]){1, 2},
                            .gallery_cameras = (int64_t[]){4, 4}};
  const xr_evaluation_options how = {.protocol = xr_protocol_find("llcm"), .top_k = 1};
  xr_evaluation r = evaluate(&in, how);
  cr_expect(r.valid == 1 && r.unmatched == 1 && r.first_rank[0] == 0 && r.first_rank[1] == 2);
  cr_expect_arr_eq(r.top_index, ((int64_t[]){1, 0}), 2 * sizeof(int64_t));
  xr_evaluation_free(&r);
  in.query_cameras = (int64_t[]){4, 4};
  expect_failure(&in, how, XR_BAD_INPUT, "none of the 2 queries");
}

Test(evaluate, one_element_gallery_W8) {
  const float scores[] = {.3f, -.2f};
  xr_evaluation_input in = {
      .queries = 2, .gallery = 1, .scores = {.data = scores}, .query_ids = (int64_t[]){5, 5}, .gallery_ids = (int64_t[]){5}};
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
