/* What tests/models/test_modules.c does not show of weighted_regularized_triplet, centre_mining and modality_memory. */
#include <math.h>
#include <string.h>

#include "kernels/loss/centre/centre_mining.h"
#include "kernels/loss/centre/modality_memory.h"
#include "kernels/loss/triplet/weighted_regularized_triplet.h"
#include "tests/support/kernel.h"

enum { ROWS = 24, VISIBLE = 11, WIDTH = 37, COUNT = ROWS * WIDTH, IDENTITIES = 5 };

typedef struct {
  xr_blocks held;
  int32_t identity[ROWS];
  float *x, *dx, *results; /* loss and gradient */
  float dloss;
} setup;

static void start(setup *s) {
  *s = (setup){.dloss = 0.375f};
  for (int i = 0; i < ROWS; i++) s->identity[i] = i * i % IDENTITIES - 2;
  s->x = xr_random_block(&s->held, XR_F32, COUNT, 1);
  s->dx = xr_random_block(&s->held, XR_F32, COUNT, 2);
  s->results = xr_random_block(&s->held, XR_F32, 1 + COUNT, 3);
}

static xr_weighted_regularized_triplet make_wrt(setup *s) {
  start(s);
  xr_weighted_regularized_triplet a = {.batch = ROWS, .width = WIDTH, .options = {.gamma = 1, .clamp = 88}};
  a.x = s->x;
  a.identity = s->identity;
  a.loss = s->results;
  a.gradient = s->results + 1;
  a.workspace = xr_hold(&s->held, xr_block_alloc(xr_weighted_regularized_triplet_workspace(&a)));
  a.dloss = &s->dloss;
  a.dx = s->dx;
  return a;
}

static const xr_mining_options mining_options = {.pull = 1,
                                                 .mine = 0.5f,
                                                 .push = 0.5f,
                                                 .rho = 0.3f,
                                                 .hinge_margin = 0.3f,
                                                 .sample_margin = 0.01f,
                                                 .centre_margin = 20,
                                                 .mmd = {XR_MMD_LAPLACE, 0.5f}};

static xr_centre_mining make_mining(setup *s, xr_mining_kind kind) {
  start(s);
  xr_centre_mining a = {.batch = ROWS, .visible = VISIBLE, .width = WIDTH, .options = mining_options};
  a.options.kind = kind;
  a.x = s->x;
  a.identity = s->identity;
  a.loss = s->results;
  a.gradient = s->results + 1;
  a.workspace = xr_hold(&s->held, xr_block_alloc(xr_centre_mining_workspace(&a)));
  a.dloss = &s->dloss;
  a.dx = s->dx;
  return a;
}

/* ---- weighted_regularized_triplet */

/* Equal vectors, or one identity only: L_i = log 2, or nothing; and no gradient. */
Test(weighted_regularized_triplet, of_equal_and_of_lone_vectors) {
  for (int agw = 0; agw < 2; agw++) {
    setup s;
    xr_weighted_regularized_triplet a = make_wrt(&s);
    a.options.agw = agw;
    for (int i = 0; i < COUNT; i++) s.x[i] = (float)(i % WIDTH);
    cr_assert(xr_weighted_regularized_triplet_forward_cpu(&a) == XR_OK, "%s", xr_message());
    cr_assert_float_eq(a.loss[0], log(2), 1e-6);
    for (int i = 0; i < COUNT; i++) cr_assert_eq(a.gradient[i], 0);
    memset(s.identity, 0, sizeof s.identity);
    cr_assert_eq(xr_weighted_regularized_triplet_forward_cpu(&a), XR_OK);
    cr_assert_float_eq(a.loss[0], agw ? log(2) : 0, 1e-5); /* agw: log(1 + exp(d)), d = 1e-6 */
    xr_release(&s.held);
  }
}

/* Every identity once: nobody has a positive. AGW's anchors are their own. */
Test(weighted_regularized_triplet, without_positives) {
  setup s;
  xr_weighted_regularized_triplet a = make_wrt(&s);
  for (int i = 0; i < ROWS; i++) s.identity[i] = i;
  cr_assert_eq(xr_weighted_regularized_triplet_forward_cpu(&a), XR_OK);
  cr_assert_eq(a.loss[0], 0);
  for (int i = 0; i < COUNT; i++) cr_assert_eq(a.gradient[i], 0);
  a.options.agw = true;
  cr_assert_eq(xr_weighted_regularized_triplet_forward_cpu(&a), XR_OK);
  cr_assert_gt(a.loss[0], 0);
  xr_release(&s.held);
}

/* Two identities on a line, d = 1 within, n between: fp = 1, fn is n or n + 1 by weights; far apart AGW's weights vanish, and fn with them.
 */
Test(weighted_regularized_triplet, weights_of_agw_vanish) {
  setup s;
  xr_weighted_regularized_triplet a = make_wrt(&s);
  const float x[4] = {0, 1, 40, 41};
  const int32_t identity[4] = {7, 7, 1, 1};
  a.batch = 4;
  a.width = 1;
  a.x = x;
  a.identity = identity;
  cr_assert_eq(xr_weighted_regularized_triplet_forward_cpu(&a), XR_OK);
  cr_assert_lt(a.loss[0], 1e-15f);
  a.options.agw = true;
  cr_assert_eq(xr_weighted_regularized_triplet_forward_cpu(&a), XR_OK);
  const double e = exp(-1), fp = (1 + 1e-6 * e) / (1 + e + 1e-6);
  cr_assert_float_eq(a.loss[0], log1p(exp(fp)), 1e-5, "%g", (double)a.loss[0]);
  xr_release(&s.held);
}

/* CAJ's loss that is stuck: what is cut has no gradient at all. */
Test(weighted_regularized_triplet, what_is_cut_has_no_gradient) {
  setup s;
  xr_weighted_regularized_triplet a = make_wrt(&s);
  const float x[4] = {0, 30, 1, 31}; /* the negative is near, the positive far */
  const int32_t identity[4] = {7, 7, 1, 1};
  a.batch = 4;
  a.width = 1;
  a.x = x;
  a.identity = identity;
  a.options.square = true;
  cr_assert_eq(xr_weighted_regularized_triplet_forward_cpu(&a), XR_OK);
  cr_assert_float_eq(a.loss[0], 88, 1e-4);
  for (int i = 0; i < 4; i++) cr_assert_eq(a.gradient[i], 0);
  xr_release(&s.held);
}

Test(weighted_regularized_triplet, gradients_threads_and_not_a_number) {
  setup s;
  xr_weighted_regularized_triplet a = make_wrt(&s);
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_weighted_regularized_triplet_forward_cpu(&a), s.results, (1 + COUNT) * sizeof(float));
  cr_assert_eq(xr_weighted_regularized_triplet_backward_cpu(&a), XR_OK);
  for (int i = 0; i < COUNT; i++) cr_assert_eq(s.dx[i], s.dloss * a.gradient[i]);
  float *once = memcpy(xr_random_block(&s.held, XR_F32, COUNT, 6), s.dx, COUNT * sizeof *once);
  a.accumulate_dx = true;
  cr_assert_eq(xr_weighted_regularized_triplet_backward_cpu(&a), XR_OK);
  xr_expect_doubled(once, s.dx, XR_F32, COUNT, "dx");
  for (int agw = 0; agw < 2; agw++) {
    s.x[40] = NAN;
    a.options.agw = agw;
    cr_assert_eq(xr_weighted_regularized_triplet_forward_cpu(&a), XR_OK);
    cr_assert(isnan(a.loss[0]));
  }
  xr_release(&s.held);
}

Test(weighted_regularized_triplet, wrong_arguments_are_refused) {
  xr_weighted_regularized_triplet a = {.batch = 5000, .width = 4};
  cr_assert_eq(xr_weighted_regularized_triplet_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "[5000, 4]"), "%s", xr_message());
  a.batch = 2;
  a.options.square = true;
  cr_assert_eq(xr_weighted_regularized_triplet_backward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "gamma 0"), "%s", xr_message());
}

/* ---- centre_mining */

/* Batches in which no identity has both modalities: nothing, and no gradient. */
Test(centre_mining, without_a_whole_identity_is_nothing) {
  for (int kind = 0; kind < XR_MINING_KINDS; kind++)
    for (int how = 0; how < 4; how++) {
      setup s;
      xr_centre_mining a = make_mining(&s, (xr_mining_kind)kind);
      if (how == 0) a.visible = 0;
      if (how == 1) a.visible = ROWS;
      for (int i = 0; i < ROWS && how == 2; i++) s.identity[i] = i;
      if (how == 3) a.batch = a.visible = 1;
      cr_assert(xr_centre_mining_forward_cpu(&a) == XR_OK, "%s", xr_message());
      cr_assert_eq(a.loss[0], 0, "kind %d, %d", kind, how);
      for (int i = 0; i < a.batch * WIDTH; i++) cr_assert_eq(a.gradient[i], 0, "kind %d, %d", kind, how);
      xr_release(&s.held);
    }
}

/* One sample a modality, 3 apart: the distance between centres is the samples'. */
Test(centre_mining, of_two_samples) {
  const float x[2] = {1, 4};
  const int32_t identity[2] = {9, 9};
  const double k = exp(-1.5), clamp = exp(-0.5e-6);
  const double expected[XR_MINING_KINDS] = {[XR_MINING_ICM] = 9 + 0.5 * 9,
                                            [XR_MINING_HC] = 9 - 0.3,
                                            [XR_MINING_CENTRE_CLUSTER] = 1.5 - 0.01,
                                            [XR_MINING_MMD] = 2 * clamp - 2 * k};
  for (int kind = 0; kind < XR_MINING_KINDS; kind++) {
    setup s;
    xr_centre_mining a = make_mining(&s, (xr_mining_kind)kind);
    a.batch = 2;
    a.visible = a.width = 1;
    a.x = x;
    a.identity = identity;
    cr_assert(xr_centre_mining_forward_cpu(&a) == XR_OK, "%s", xr_message());
    cr_assert_float_eq(a.loss[0], expected[kind], 2e-6, "kind %d: %g", kind, (double)a.loss[0]);
    cr_assert_float_eq(a.gradient[0], -(double)a.gradient[1], 1e-6);
    xr_release(&s.held);
  }
}

/* Two samples are as far from the opposite centre, and two centres of another identity as near: the first ones have the gradient. */
Test(centre_mining, the_first_among_equals) {
  const float x[8] = {0, 0, 0, 6, 0, 0, 0, 6}; /* identity 1: 0, 0 | 0, 0;  identity 2: 0, 6 | 0, 6, centres at 3 */
  const int32_t identity[8] = {1, 1, 2, 2, 1, 1, 2, 2};
  setup s;
  xr_centre_mining a = make_mining(&s, XR_MINING_ICM);
  a.batch = 8;
  a.visible = 4;
  a.width = 1;
  a.x = x;
  a.identity = identity;
  a.options.pull = a.options.push = 0;
  a.options.mine = 4;
  cr_assert_eq(xr_centre_mining_forward_cpu(&a), XR_OK);
  cr_assert_eq(a.loss[0], 4.0f / 4 * (9 + 9));
  /* mined are the first of each: (0 - 3) 2, and their opposite centres' shares */
  const float mined[8] = {0, 0, -6 + 3, 3, 0, 0, -6 + 3, 3};
  for (int i = 0; i < 8; i++) cr_assert_float_eq(a.gradient[i], mined[i], 1e-6, "sample %d: %g", i, (double)a.gradient[i]);
  a.options.mine = 0;
  a.options.push = 4;
  a.options.rho = 5;
  cr_assert_eq(xr_centre_mining_forward_cpu(&a), XR_OK);
  cr_assert_float_eq(a.loss[0], 4 * (5 - 3), 1e-5); /* of each of four centres; the nearest are visible ones */
  const float pushed[8] = {1.5f, 1.5f, -1.5f, -1.5f, 0.5f, 0.5f, -0.5f, -0.5f};
  for (int i = 0; i < 8; i++) cr_assert_float_eq(a.gradient[i], pushed[i], 1e-6, "sample %d: %g", i, (double)a.gradient[i]);
  xr_release(&s.held);
}

Test(centre_mining, gradients_threads_and_not_a_number) {
  for (int kind = 0; kind < XR_MINING_KINDS; kind++) {
    setup s;
    xr_centre_mining a = make_mining(&s, (xr_mining_kind)kind);
    XR_EXPECT_SAME_FOR_ANY_THREADS(xr_centre_mining_forward_cpu(&a), s.results, (1 + COUNT) * sizeof(float));
    cr_assert_eq(xr_centre_mining_backward_cpu(&a), XR_OK);
    for (int i = 0; i < COUNT; i++) cr_assert_eq(s.dx[i], s.dloss * a.gradient[i]);
    float *once = memcpy(xr_random_block(&s.held, XR_F32, COUNT, 6), s.dx, COUNT * sizeof *once);
    a.accumulate_dx = true;
    cr_assert_eq(xr_centre_mining_backward_cpu(&a), XR_OK);
    xr_expect_doubled(once, s.dx, XR_F32, COUNT, "dx");
    s.x[40] = NAN;
    cr_assert_eq(xr_centre_mining_forward_cpu(&a), XR_OK);
    cr_assert(isnan(a.loss[0]), "kind %d", kind);
    xr_release(&s.held);
  }
}

Test(centre_mining, wrong_arguments_are_refused) {
  xr_centre_mining a = {.batch = 4, .visible = 5, .width = 2, .options = mining_options};
  cr_assert_eq(xr_centre_mining_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "5 visible samples in a batch of 4"), "%s", xr_message());
  a.visible = 2;
  a.options.rho = NAN;
  cr_assert_eq(xr_centre_mining_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "rho"), "%s", xr_message());
  a.options = (xr_mining_options){.kind = XR_MINING_MMD};
  cr_assert_eq(xr_centre_mining_backward_cpu(&a), XR_BAD_ARGUMENT);
  a.options.kind = XR_MINING_KINDS;
  cr_assert_eq(xr_centre_mining_backward_cpu(&a), XR_BAD_ARGUMENT);
  a.batch = 0;
  cr_assert_eq(xr_centre_mining_backward_cpu(&a), XR_BAD_SHAPE);
}

/* ---- modality_memory */

/* Identity 1 is seen in both modalities, 0 in none before and visible now; what was never seen may hold anything. */
Test(modality_memory, banks_follow_the_means) {
  const float x[4] = {1, 3, 10, 6};
  const int32_t identity[4] = {1, 1, 0, 1}; /* three visible, one infrared */
  float visible[2] = {NAN, 4}, infrared[2] = {NAN, 8}, seen[4] = {0, 1, 0, 1}, loss, scale, dx[4], one = 1, workspace[64];
  xr_modality_memory a = {.batch = 4, .visible = 3, .width = 1, .classes = 2, .momentum = 0.75f, .x = x, .identity = identity};
  a.bank[0] = visible;
  a.bank[1] = infrared;
  a.seen = seen;
  a.loss = &loss;
  a.scale = &scale;
  a.workspace = workspace;
  a.dloss = &one;
  a.dx = dx;
  cr_assert_leq(xr_modality_memory_workspace(&a), sizeof workspace);
  cr_assert(xr_modality_memory_forward_cpu(&a) == XR_OK, "%s", xr_message());
  cr_assert(visible[0] == 10 && visible[1] == 3.5f && isnan(infrared[0]) && infrared[1] == 7.5f);
  cr_assert(seen[0] == 1 && seen[1] == 1 && seen[2] == 0 && seen[3] == 1);
  cr_assert_float_eq(loss, (6.5 * 6.5 + 4.5 * 4.5 + 2.5 * 2.5) / 3, 1e-5);
  cr_assert_eq(xr_modality_memory_backward_cpu(&a), XR_OK);
  const float expected[4] = {-13 / 3.0f, -3, 0, 5 / 3.0f};
  for (int i = 0; i < 4; i++) cr_assert_float_eq(dx[i], expected[i], 1e-6);
}

Test(modality_memory, wrong_arguments_are_refused) {
  const int32_t identity[2] = {0, 3};
  float bank[2] = {1, 2}, seen[4] = {0}, workspace[64];
  xr_modality_memory a = {.batch = 2, .visible = 1, .width = 1, .classes = 2, .momentum = 1, .identity = identity, .workspace = workspace};
  a.bank[0] = a.bank[1] = bank;
  a.seen = seen;
  cr_assert_eq(xr_modality_memory_forward_cpu(&a), XR_BAD_ARGUMENT);
  a.momentum = 0.5f;
  cr_assert_eq(xr_modality_memory_forward_cpu(&a), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "sample 1 has identity 3"), "%s", xr_message());
  cr_assert(bank[0] == 1 && bank[1] == 2 && seen[0] == 0);
  a.visible = 3;
  cr_assert_eq(xr_modality_memory_backward_cpu(&a), XR_BAD_SHAPE);
  a.classes = 0;
  cr_assert_eq(xr_modality_memory_backward_cpu(&a), XR_BAD_SHAPE);
}
