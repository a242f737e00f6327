/* Random rankings against the slow reference, and what results must not depend on. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/eval/reference.h"

#define COUNT(array) ((int64_t)(sizeof(array) / sizeof *(array)))

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

static problem make_problem(const random_case *c, uint64_t seed, const char *protocol) {
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
  static const int64_t sysu[2][4] = {{3, 6, 3, 6}, {1, 2, 4, 5}};
  const bool places = strcmp(protocol, "sysu-mm01") == 0;
  for (int64_t i = q + g; i < 2 * (q + g); i++) {
    const uint32_t camera = xr_random_below(&random, places ? 4 : 2);
    p.ids[i] = places ? sysu[i >= 2 * q + g][camera] : camera;
  }
  p.ids[q + g] = places ? 6 : 5; /* and the first query's camera hides none */
  p.in = (xr_evaluation_input){.queries = q, .gallery = g, .scores = {.data = p.scores}, .query_ids = p.ids, .gallery_ids = p.ids + q};
  p.in.query_cameras = p.ids + q + g;
  p.in.gallery_cameras = p.ids + 2 * q + g;
  return p;
}

static void free_problem(problem *p) {
  free(p->scores);
  free(p->exact);
  free(p->ids);
}

static void compare(const problem *p, const ref_question *ask, const xr_evaluation *got) {
  int64_t *first = malloc((size_t)p->in.queries * sizeof *first), *order = malloc((size_t)(p->in.queries * p->in.gallery) * sizeof *order);
  const ref_result want = ref_evaluate(&p->in, p->exact, ask, first, order);
  ref_expect(got, &want, ask, first, order, p->in.gallery);
  free(first);
  free(order);
}

static xr_evaluation_options options_of(const ref_question *ask) {
  return (xr_evaluation_options){.protocol = xr_protocol_find(ask->protocol), .max_rank = ask->max_rank, .ties = ask->ties, .ap = ask->ap};
}

static const char *const protocols[] = {"text-to-image", "regdb", "market", "llcm", "sysu-mm01"};

/* Every protocol, every tie rule, both kinds of AP; large and tiny tiles. */
Test(ranking, equals_sorting) {
  for (int64_t c = 0; c < COUNT(random_cases); c++)
    for (int64_t name = 0; name < COUNT(protocols); name++) {
      const int64_t variant = c + name;
      const ref_question ask = {.protocol = protocols[name],
                                .ties = (xr_tie_rule)(variant % XR_TIE_RULES),
                                .ap = (xr_ap_kind)(variant / 3 % XR_AP_KINDS),
                                .max_rank = 20};
      problem p = make_problem(&random_cases[c], (uint64_t)(100 + variant), ask.protocol);
      xr_evaluation_options how = options_of(&ask);
      how.top_k = p.in.gallery < 30 ? p.in.gallery : 30;
      how.memory_bytes = variant % 2 ? 1 : 0;
      xr_evaluation got = ref_run(&p.in, how);
      compare(&p, &ask, &got);
      xr_evaluation_free(&got);
      free_problem(&p);
    }
}

/* ---- trials */

static void random_mask(uint64_t *mask, int64_t n, uint32_t share, xr_random *random) {
  memset(mask, 0, (size_t)(n / 64 + 1) * sizeof *mask);
  for (int64_t i = 0; i < n; i++)
    if (xr_random_below(random, 100) < share) mask[i / 64] |= (uint64_t)1 << i % 64;
}

/* Trials over one pass of scores are what they are one by one, whatever the tiles. */
Test(ranking, trials_equal_sorting_their_parts) {
  enum { Q = 90, G = 700, TRIALS = 6 };
  for (int64_t name = 0; name < COUNT(protocols); name++) {
    problem p = make_problem(&(random_case){Q, G, 25, 40}, (uint64_t)(300 + name), protocols[name]);
    uint64_t gallery[TRIALS][G / 64 + 1], queries[TRIALS][Q / 64 + 1];
    xr_random random = xr_random_start((uint64_t)name, 2);
    xr_trial trials[TRIALS];
    for (int t = 0; t < TRIALS; t++) {
      random_mask(gallery[t], G, t == 1 ? 3 : 40, &random);
      random_mask(queries[t], Q, 70, &random);
      trials[t] = (xr_trial){.gallery = t ? gallery[t] : NULL, .queries = t % 2 ? queries[t] : NULL};
    }
    ref_question ask = {.protocol = protocols[name], .ties = (xr_tie_rule)(name % XR_TIE_RULES), .max_rank = 50};
    xr_evaluation_options how = options_of(&ask);
    how.top_k = 9;
    for (size_t memory = 0; memory < 2; memory++) {
      xr_evaluation got[TRIALS], mean;
      how.memory_bytes = memory;
      cr_assert_eq(xr_evaluate_trials(&p.in, &how, trials, TRIALS, got), XR_OK, "%s", xr_message());
      for (int t = 0; t < TRIALS; t++) {
        ask.trial = trials[t];
        compare(&p, &ask, &got[t]);
      }
      cr_assert_eq(xr_evaluation_mean(got, TRIALS, &mean), XR_OK, "%s", xr_message());
      double mAP = 0, last = 0, second = 0;
      for (int t = 0; t < TRIALS; t++) {
        mAP += got[t].mAP;
        second += got[t].cmc[1];
        last += got[t].cmc[got[t].cmc_length - 1]; /* trial 1 has few items, its curve ends early */
      }
      cr_expect(got[1].cmc_length < 50 && mean.cmc_length == 50);
      cr_expect_eq(mean.mAP, mAP / TRIALS);
      cr_expect_eq(mean.cmc[1], second / TRIALS);
      cr_expect_eq(mean.cmc[49], last / TRIALS);
      cr_expect_eq(mean.id_cmc != NULL, name >= 3);
      xr_evaluation_free(&mean);
      for (int t = 0; t < TRIALS; t++) xr_evaluation_free(&got[t]);
    }
    free_problem(&p);
  }
}

#ifdef XREID_CUDA
Test(ranking, trials_on_a_device_are_those_of_the_processor) {
  enum { Q = 20, G = 150 };
  static const char *const names[] = {"sysu-mm01", "llcm"};
  for (int name = 0; name < 2; name++) {
    problem p = make_problem(&(random_case){Q, G, 9, 12}, (uint64_t)(400 + name), names[name]);
    uint64_t gallery[G / 64 + 1], queries[Q / 64 + 1];
    xr_random random = xr_random_start((uint64_t)name, 3);
    random_mask(gallery, G, 40, &random);
    random_mask(queries, Q, 70, &random);
    const xr_trial trials[2] = {{0}, {.gallery = gallery, .queries = queries}};
    const ref_question ask = {.protocol = names[name], .ties = name ? XR_TIES_BEST : XR_TIES_LOWER_INDEX, .max_rank = 50};
    xr_evaluation_options how = options_of(&ask);
    how.top_k = 9;
    xr_evaluation plain[2], device[2];
    cr_assert_eq(xr_evaluate_trials(&p.in, &how, trials, 2, plain), XR_OK, "%s", xr_message());
    how.backend = XR_CUDA;
    cr_assert_eq(xr_evaluate_trials(&p.in, &how, trials, 2, device), XR_OK, "%s", xr_message());
    for (int t = 0; t < 2; t++) {
      ref_expect_same(&plain[t], &device[t]);
      xr_evaluation_free(&plain[t]);
      xr_evaluation_free(&device[t]);
    }
    p.scores[3 * G + 40] = NAN;
    cr_expect_eq(xr_evaluate_trials(&p.in, &how, trials, 2, device), XR_NOT_FINITE);
    cr_expect(strstr(xr_message(), "query 3, gallery item 40"), "%s", xr_message());
    free_problem(&p);
  }
}
#endif

Test(ranking, trials_that_cannot_be_evaluated_are_named) {
  problem p = make_problem(&(random_case){5, 70, 3, 9}, 1, "regdb");
  uint64_t none[2] = {0}, some[2] = {~(uint64_t)0, ~(uint64_t)0};
  const xr_evaluation_options how = {.protocol = xr_protocol_find("regdb")};
  const xr_trial empty[2] = {{.gallery = some}, {.gallery = none}}, nobody[2] = {{.queries = none}, {.gallery = some}};
  xr_evaluation r[2];
  cr_expect_eq(xr_evaluate_trials(&p.in, &how, empty, 2, r), XR_BAD_INPUT);
  cr_expect(strstr(xr_message(), "trial 1: evaluation: the trial has no gallery items"), "%s", xr_message());
  cr_expect(!r[0].arena && !r[1].arena);
  cr_expect_eq(xr_evaluate_trials(&p.in, &how, nobody, 2, r), XR_BAD_INPUT);
  cr_expect(strstr(xr_message(), "trial 0: evaluation: the trial has no queries"), "%s", xr_message());
  free_problem(&p);
}

/* ---- invariance */

/* Peers' defect 7: an AP that changes when all scores are shifted or have the other sign. */
Test(ranking, only_the_order_of_the_scores_counts) {
  problem p = make_problem(&(random_case){50, 80, 10, 100}, 11, "text-to-image");
  xr_evaluation a = ref_run(&p.in, (xr_evaluation_options){.top_k = 80});
  for (int64_t i = 0; i < 50 * 80; i++) p.scores[i] = 1000 - p.scores[i]; /* exact */
  p.in.distances = true;
  xr_evaluation b = ref_run(&p.in, (xr_evaluation_options){.top_k = 80});
  ref_expect_same(&a, &b);
  xr_evaluation_free(&a);
  xr_evaluation_free(&b);
  free_problem(&p);
}

Test(ranking, infinite_scores_have_their_place) {
  const float scores[] = {-INFINITY, INFINITY, 0, -INFINITY};
  const xr_evaluation_input in = {
      .queries = 1, .gallery = 4, .scores = {.data = scores}, .query_ids = (int64_t[]){1}, .gallery_ids = (int64_t[]){2, 3, 4, 1}};
  xr_evaluation r = ref_run(&in, (xr_evaluation_options){.top_k = 4});
  cr_expect_eq(r.first_rank[0], 4);
  cr_expect_arr_eq(r.top_index, ((int64_t[]){1, 2, 0, 3}), 4 * sizeof(int64_t));
  xr_evaluation_free(&r);
}
