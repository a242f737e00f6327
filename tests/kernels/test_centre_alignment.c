#include <math.h>

#include "kernels/loss/centre/centre_alignment.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static const char *const set_name[] = {"a", "b", "c"}, *const gradient_name[] = {"da", "db", "dc"};

static xr_centre_options golden_options(const xr_golden *g) {
  return (xr_centre_options){.kind = (xr_centre_kind)xr_golden_scalar(g, "kind"),
                             .margin = (float)xr_golden_scalar(g, "margin"),
                             .tau = (float)xr_golden_scalar(g, "tau"),
                             .separation_weight = (float)xr_golden_scalar(g, "separation_weight"),
                             .separation_margin = (float)xr_golden_scalar(g, "separation_margin"),
                             .stop_gradient_combined = xr_golden_scalar(g, "stop") != 0};
}

static int distinct(const int32_t *identity, int64_t batch) {
  int count = 0;
  for (int64_t i = 0; i < batch; i++) {
    int64_t j = 0;
    while (identity[j] != identity[i]) j++;
    count += j == i;
  }
  return count;
}

static void run_case(const char *name, int sets) {
  xr_golden g = xr_golden_open("centre_alignment");
  g.name = name;
  xr_blocks held = {.count = 0};
  const int64_t batch = xr_golden_dim(&g, "a", 0), width = xr_golden_dim(&g, "a", 1), count = batch * width;
  const float upstream = (float)xr_golden_scalar(&g, "upstream");
  float loss = NAN, mean_count = NAN;
  xr_centre_alignment a = {.batch = batch, .width = width, .sets = sets, .options = golden_options(&g), .loss = &loss, .dloss = &upstream};
  for (int s = 0; s < sets; s++) {
    a.x[s] = xr_hold(&held, xr_golden_load(&g, set_name[s], XR_F32));
    a.dx[s] = xr_hold(&held, xr_poisoned(XR_F32, count));
  }
  a.identity = xr_hold(&held, xr_golden_load(&g, "identity", XR_I32));
  a.mean_count = &mean_count;
  a.segment = xr_hold(&held, xr_poisoned(XR_I32, batch));
  a.gradient = xr_hold(&held, xr_poisoned(XR_F32, sets * count));
  a.workspace = xr_hold(&held, xr_block_alloc(xr_centre_alignment_workspace(&a)));
  cr_assert(xr_centre_alignment_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "loss", &loss, XR_F32, XR_F32);
  cr_assert(mean_count == (float)batch / (float)distinct(a.identity, batch), "%s: mean_count %g", name, (double)mean_count);
  cr_assert(xr_centre_alignment_backward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int s = 0; s < sets; s++) {
    xr_golden_expect(&g, gradient_name[s], a.dx[s], XR_F32, XR_F32);
    const float *once = a.dx[s];
    a.dx[s] = memcpy(xr_hold(&held, xr_poisoned(XR_F32, count)), once, (size_t)count * sizeof(float));
    a.accumulate_dx[s] = true;
    cr_assert(xr_centre_alignment_backward_cpu(&a) == XR_OK, "%s", xr_message());
    xr_expect_doubled(once, a.dx[s], XR_F32, count, gradient_name[s]);
    a.dx[s] = NULL; /* the next round leaves this set alone */
  }
  xr_release(&held);
  xr_golden_close(&g);
}

Test(centre_alignment, golden_three_sets) {
  static const char *const names[] = {"one",   "one_separated", "same",          "l2",      "cosine", "cosine_separated",
                                      "hinge", "sdm",           "sdm_separated", "triplet", "stop",   "ties"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) run_case(names[i], 3);
}

Test(centre_alignment, golden_two_sets) {
  static const char *const names[] = {"two", "wide", "triplet_two"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) run_case(names[i], 2);
}

enum { BATCH = 67, WIDTH = 35, COUNT = BATCH * WIDTH };

typedef struct {
  xr_blocks held;
  int32_t identity[BATCH], segment[BATCH];
  float *results; /* loss, mean_count, gradient */
  xr_centre_alignment a;
} setup;

static setup *make(xr_centre_kind kind, float separation_weight) {
  setup *s = xr_block_alloc(sizeof *s);
  *s = (setup){.held = {.count = 0}};
  for (int i = 0; i < BATCH; i++) s->identity[i] = 1000 - i / 4 * (i % 3 + 1);
  s->results = xr_hold(&s->held, xr_poisoned(XR_F32, 2 + 3 * COUNT));
  s->a = (xr_centre_alignment){.batch = BATCH, .width = WIDTH, .sets = 3, .identity = s->identity, .segment = s->segment};
  s->a.options = (xr_centre_options){.kind = kind, .tau = 0.1f, .separation_weight = separation_weight, .separation_margin = 0.5f};
  for (int set = 0; set < 3; set++) s->a.x[set] = xr_random_block(&s->held, XR_F32, COUNT, (uint64_t)set);
  s->a.loss = s->results;
  s->a.mean_count = s->results + 1;
  s->a.gradient = s->results + 2;
  s->a.workspace = xr_hold(&s->held, xr_block_alloc(xr_centre_alignment_workspace(&s->a)));
  return s;
}

static void drop(setup *s) {
  xr_release(&s->held);
  xr_block_free(s);
}

Test(centre_alignment, same_for_any_threads) {
  for (int kind = 0; kind < XR_CENTRE_KINDS; kind++) {
    setup *s = make((xr_centre_kind)kind, 0.5f);
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_centre_alignment_forward_cpu(&s->a), s->results, (2 + 3 * COUNT) * sizeof(float));
    drop(s);
  }
}

/* Identities are numbered as they come; beyond the last the gradient holds zeros. */
Test(centre_alignment, segments) {
  setup *s = make(XR_CENTRE_L2, 0);
  cr_assert(xr_centre_alignment_forward_cpu(&s->a) == XR_OK, "%s", xr_message());
  int32_t next = 0;
  for (int i = 0; i < BATCH; i++) {
    int j = 0;
    while (s->identity[j] != s->identity[i]) j++;
    cr_assert_eq(s->segment[i], j == i ? next++ : s->segment[j], "sample %d", i);
  }
  cr_assert(next < BATCH);
  cr_assert_eq(s->a.mean_count[0], (float)BATCH / (float)next);
  for (int set = 0; set < 3; set++)
    for (int k = next * WIDTH; k < COUNT; k++) cr_assert_eq(s->a.gradient[set * COUNT + k], 0);
  drop(s);
}

Test(centre_alignment, not_a_number_reaches_the_loss) {
  for (int kind = 0; kind < XR_CENTRE_KINDS; kind++) {
    setup *s = make((xr_centre_kind)kind, 0);
    ((float *)(uintptr_t)s->a.x[1])[WIDTH] = NAN;
    cr_assert(xr_centre_alignment_forward_cpu(&s->a) == XR_OK, "%s", xr_message());
    cr_assert(isnan(s->a.loss[0]), "kind %d", kind);
    drop(s);
  }
}

Test(centre_alignment, wrong_arguments_are_refused) {
  xr_centre_alignment a = {.batch = 1, .width = 1, .sets = 4};
  cr_assert_eq(xr_centre_alignment_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "4 sets of [1, 1]"), "%s", xr_message());
  a.sets = 3;
  a.options = (xr_centre_options){.kind = XR_CENTRE_SDM};
  cr_assert_eq(xr_centre_alignment_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "tau 0 (legal: above 0)"), "%s", xr_message());
  a.options = (xr_centre_options){.separation_weight = -1};
  cr_assert_eq(xr_centre_alignment_backward_cpu(&a), XR_BAD_ARGUMENT);
  a.options = (xr_centre_options){.kind = XR_CENTRE_KINDS};
  cr_assert_eq(xr_centre_alignment_backward_cpu(&a), XR_BAD_ARGUMENT);
  a.batch = 0;
  cr_assert_eq(xr_centre_alignment_backward_cpu(&a), XR_BAD_SHAPE);
}
