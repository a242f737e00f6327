/* The pairs of image-text matching: which negatives are chosen, how often each is drawn, what happens without one. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "kernels/loss/match_pairs.h"
#include "tests/support/kernel.h"

enum { B = 4 };

typedef struct {
  int32_t image[3 * B], text[3 * B], label[3 * B];
} pairs;

static pairs choose(xr_match_negative negative, const float s[B * B], const int32_t identity[B], uint64_t step) {
  const xr_seed seed = {99, step};
  pairs p;
  const xr_match_pairs a = {.batch = B,
                            .negative = negative,
                            .tau = 0.5f,
                            .similarity = s,
                            .identity = identity,
                            .seed = &seed,
                            .node = 3,
                            .image = p.image,
                            .text = p.text,
                            .label = p.label};
  cr_assert(xr_match_pairs_forward_cpu(&a) == XR_OK, "%s", xr_message());
  return p;
}

static const float cosines[B * B] = {0.9f, 0.8f, 0.3f, 0.2f,  /* */
                                     0.7f, 0.1f, 0.4f, 0.4f,  /* */
                                     0.6f, 0.5f, 0.2f, -0.1f, /* */
                                     0.1f, 0.0f, 0.9f, NAN};
static const int32_t people[B] = {5, 5, 2, 8};

Test(match_pairs, the_most_alike_of_others) {
  const pairs p = choose(XR_MATCH_HARD, cosines, people, 0);
  const int32_t text_of_image[B] = {2, 2, 0, 2}, image_of_text[B] = {2, 2, 3, 1}; /* image 1 has two equals: the first */
  for (int i = 0; i < B; i++) {
    cr_assert_eq(p.image[i], i);
    cr_assert_eq(p.text[i], i);
    cr_assert_eq(p.label[i], 1);
    cr_assert_eq(p.image[B + i], i);
    cr_assert_eq(p.text[B + i], text_of_image[i], "image %d", i);
    cr_assert_eq(p.image[2 * B + i], image_of_text[i], "text %d", i);
    cr_assert_eq(p.text[2 * B + i], i);
    cr_assert(p.label[B + i] == 0 && p.label[2 * B + i] == 0);
  }
}

Test(match_pairs, a_nan_is_chosen_so_that_it_shows) {
  float s[B * B];
  for (int i = 0; i < B * B; i++) s[i] = cosines[i];
  s[3] = NAN; /* image 0, text 3 */
  const pairs hard = choose(XR_MATCH_HARD, s, people, 0), drawn = choose(XR_MATCH_DRAWN, s, people, 0);
  cr_assert(hard.text[B] == 3 && hard.image[2 * B + 3] == 0);
  cr_assert(drawn.text[B] == 3 && drawn.image[2 * B + 3] == 0);
}

Test(match_pairs, one_person_alone_has_no_negative) {
  const int32_t same[B] = {4, 4, 4, 4};
  for (int negative = 0; negative < XR_MATCH_NEGATIVES; negative++) {
    const pairs p = choose((xr_match_negative)negative, cosines, same, 1);
    for (int i = 0; i < 3 * B; i++) {
      cr_assert(p.image[i] == i % B && p.text[i] == i % B);
      cr_assert_eq(p.label[i], i < B ? 1 : -1);
    }
  }
}

/* Image 0 may draw texts 2 and 3, text 2 images 0, 1 and 3: by exp(s / tau). 4 standard deviations. */
Test(match_pairs, draws_follow_the_similarities) {
  enum { STEPS = 20000 };
  int second = 0, of_text[B] = {0};
  for (int step = 0; step < STEPS; step++) {
    const pairs p = choose(XR_MATCH_DRAWN, cosines, people, (uint64_t)step);
    cr_assert(p.text[B] == 2 || p.text[B] == 3);
    second += p.text[B] == 3;
    of_text[p.image[2 * B + 2]]++;
  }
  const double share = 1 / (1 + exp(0.1 / 0.5));
  cr_assert_float_eq((double)second / STEPS, share, 4 * sqrt(share * (1 - share) / STEPS));
  const double weight[B] = {exp(0.6), exp(0.8), 0, exp(1.8)}, sum = weight[0] + weight[1] + weight[3];
  for (int i = 0; i < B; i++) {
    const double expected = weight[i] / sum;
    cr_assert_float_eq((double)of_text[i] / STEPS, expected, 4 * sqrt(expected * (1 - expected) / STEPS) + 1e-12, "image %d", i);
  }
}

Test(match_pairs, bad_arguments) {
  xr_match_pairs a = {.batch = 0};
  cr_assert_eq(xr_match_pairs_forward_cpu(&a), XR_BAD_SHAPE);
  a = (xr_match_pairs){.batch = 1, .negative = XR_MATCH_DRAWN, .tau = 0};
  cr_assert_eq(xr_match_pairs_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "tau"), "%s", xr_message());
  a = (xr_match_pairs){.batch = 1, .negative = XR_MATCH_NEGATIVES};
  cr_assert_eq(xr_match_pairs_forward_cpu(&a), XR_BAD_ARGUMENT);
}

Test(match_pairs, same_for_any_threads) {
  static float s[B * B];
  static pairs p;
  static const xr_seed seed = {1, 2};
  for (int i = 0; i < B * B; i++) s[i] = (float)(i % 5) / 5;
  const xr_match_pairs a = {.batch = B,
                            .negative = XR_MATCH_DRAWN,
                            .tau = 0.1f,
                            .similarity = s,
                            .identity = people,
                            .seed = &seed,
                            .image = p.image,
                            .text = p.text,
                            .label = p.label};
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_match_pairs_forward_cpu(&a), &p, sizeof p);
}
