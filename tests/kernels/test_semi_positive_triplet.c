#include <math.h>

#include "kernels/loss/triplet/semi_positive_triplet.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static xr_triplet_options golden_options(const xr_golden *g) {
  return (xr_triplet_options){.kind = (xr_triplet_kind)xr_golden_scalar(g, "kind"),
                              .semi = (xr_semi_mining)xr_golden_scalar(g, "semi"),
                              .negative = (xr_negative_mining)xr_golden_scalar(g, "negative"),
                              .margin = (float)xr_golden_scalar(g, "margin"),
                              .beta = (float)xr_golden_scalar(g, "beta"),
                              .gamma = (float)xr_golden_scalar(g, "gamma"),
                              .order_margin = (float)xr_golden_scalar(g, "order_margin"),
                              .tau = (float)xr_golden_scalar(g, "tau"),
                              .adaptive_from = (int64_t)xr_golden_scalar(g, "adaptive_from")};
}

static void run_case(const char *name) {
  xr_golden g = xr_golden_open("semi_positive_triplet");
  g.name = name;
  xr_blocks held = {.count = 0};
  const int64_t batch = xr_golden_dim(&g, "similarity", 0), count = batch * batch;
  const float upstream = 0.375f;
  const xr_seed seed = {0x123456789ABCD, 0x100000007}; /* as in the oracle */
  float loss = NAN;
  xr_semi_positive_triplet a = {.batch = batch, .options = golden_options(&g), .seed = &seed, .loss = &loss, .dloss = &upstream};
  a.node = 12345678901;
  a.similarity = xr_hold(&held, xr_golden_load(&g, "similarity", XR_F32));
  a.identity = xr_hold(&held, xr_golden_load(&g, "identity", XR_I32));
  a.image = xr_hold(&held, xr_golden_load(&g, "image", XR_I32));
  a.gradient = xr_hold(&held, xr_poisoned(XR_F32, count));
  a.workspace = xr_hold(&held, xr_block_alloc(xr_semi_positive_triplet_workspace(&a)));
  cr_assert(xr_semi_positive_triplet_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "loss", &loss, XR_F32, XR_F32);
  xr_golden_expect(&g, "gradient", a.gradient, XR_F32, XR_F32);
  float *once = a.dsimilarity = xr_hold(&held, xr_poisoned(XR_F32, count));
  cr_assert(xr_semi_positive_triplet_backward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int64_t i = 0; i < count; i++) cr_assert(once[i] == upstream * a.gradient[i], "%s: dsimilarity[%lld]", name, (long long)i);
  a.dsimilarity = memcpy(xr_hold(&held, xr_poisoned(XR_F32, count)), once, (size_t)count * sizeof(float));
  a.accumulate_dsimilarity = true;
  cr_assert(xr_semi_positive_triplet_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_expect_doubled(once, a.dsimilarity, XR_F32, count, "dsimilarity");
  xr_release(&held);
  xr_golden_close(&g);
}

Test(semi_positive_triplet, golden) {
  static const char *const names[] = {"one", "two",    "same",    "distinct",       "four", "mixed", "fixed_margin", "later",
                                      "now", "random", "ssan_cr", "semi_hard_hard", "soft", "ties",  "opposite",     "odd"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) run_case(names[i]);
}

enum { BATCH = 130, COUNT = BATCH * BATCH };

typedef struct {
  xr_blocks held;
  int32_t identity[BATCH], image[BATCH];
  xr_seed seed;
  float *results; /* loss, gradient */
  xr_semi_positive_triplet a;
} setup;

static setup *make(void) {
  setup *s = xr_block_alloc(sizeof *s);
  *s = (setup){.seed = {5, 6}};
  for (int i = 0; i < BATCH; i++) {
    s->identity[i] = i / 4;
    s->image[i] = i / 2 * 2 + (i % 8 < 4); /* pairs that share an image, and others */
  }
  s->results = xr_hold(&s->held, xr_poisoned(XR_F32, 1 + COUNT));
  s->a = (xr_semi_positive_triplet){.batch = BATCH, .identity = s->identity, .image = s->image, .seed = &s->seed};
  s->a.options = (xr_triplet_options){.semi = XR_SEMI_RANDOM, .negative = XR_NEGATIVE_RANDOM, .margin = 4, .beta = 0.5f, .gamma = 0.25f};
  s->a.similarity = xr_random_block(&s->held, XR_F32, COUNT, 1);
  s->a.loss = s->results;
  s->a.gradient = s->results + 1;
  s->a.workspace = xr_hold(&s->held, xr_block_alloc(xr_semi_positive_triplet_workspace(&s->a)));
  return s;
}

static void drop(setup *s) {
  xr_release(&s->held);
  xr_block_free(s);
}

Test(semi_positive_triplet, same_for_any_threads) {
  setup *s = make();
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_semi_positive_triplet_forward_cpu(&s->a), s->results, (1 + COUNT) * sizeof(float));
  drop(s);
}

/* Over many steps: cosine (0, j) is drawn by image 0 and by text j, each with one chance in as many as there are negatives. */
Test(semi_positive_triplet, random_choices_are_even) {
  enum { STEPS = 2000, NEGATIVES = BATCH - 4 };
  setup *s = make();
  const double chance = 1 - pow(1 - 1.0 / NEGATIVES, 2), expected = STEPS * chance;
  s->a.options.beta = s->a.options.gamma = 0;
  s->a.options.margin = 30;
  int drawn[BATCH] = {0};
  for (int step = 0; step < STEPS; step++) {
    s->seed.counter = (uint64_t)step;
    cr_assert(xr_semi_positive_triplet_forward_cpu(&s->a) == XR_OK, "%s", xr_message());
    for (int j = 4; j < BATCH; j++) drawn[j] += s->a.gradient[j] > 0;
  }
  double distance = 0;
  for (int j = 4; j < BATCH; j++) distance += pow(drawn[j] - expected, 2) / (expected * (1 - chance));
  cr_assert(fabs(distance - NEGATIVES) < 5 * sqrt(2.0 * NEGATIVES), "chi square %.1f over %d negatives", distance, NEGATIVES);
  drop(s);
}

Test(semi_positive_triplet, not_a_number_reaches_the_loss) {
  setup *s = make();
  float *similarity = (float *)(uintptr_t)s->a.similarity;
  s->a.options.negative = XR_NEGATIVE_HARD;
  similarity[20 * BATCH + 30] = NAN; /* image 20, text 30: not the first negative of either */
  cr_assert(xr_semi_positive_triplet_forward_cpu(&s->a) == XR_OK, "%s", xr_message());
  cr_assert(isnan(s->a.loss[0]));
  drop(s);
}

Test(semi_positive_triplet, wrong_arguments_are_refused) {
  xr_semi_positive_triplet a = {.batch = 1, .options = {.margin = -1}};
  cr_assert_eq(xr_semi_positive_triplet_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "margin -1"), "%s", xr_message());
  a.options = (xr_triplet_options){.kind = XR_TRIPLET_SOFT};
  cr_assert_eq(xr_semi_positive_triplet_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "tau 0 (legal: above 0)"), "%s", xr_message());
  a.options = (xr_triplet_options){.semi = XR_SEMI_RANDOM};
  cr_assert_eq(xr_semi_positive_triplet_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "need a seed"), "%s", xr_message());
  a.options = (xr_triplet_options){.kind = XR_TRIPLET_KINDS};
  cr_assert_eq(xr_semi_positive_triplet_forward_cpu(&a), XR_BAD_ARGUMENT);
  a.options = (xr_triplet_options){.adaptive_from = -2};
  cr_assert_eq(xr_semi_positive_triplet_forward_cpu(&a), XR_BAD_ARGUMENT);
  a.batch = 0;
  cr_assert_eq(xr_semi_positive_triplet_backward_cpu(&a), XR_BAD_SHAPE);
}
