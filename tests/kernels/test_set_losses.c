/* What tests/models/test_modules.c does not show of mmd and set_spread. */
#include <math.h>

#include "kernels/loss/mmd.h"
#include "kernels/loss/set_spread.h"
#include "tests/support/kernel.h"

/* ---- mmd */
enum { N = 70, M = 45, WIDTH = 37 };

typedef struct {
  xr_blocks held;
  float *results, *dx[2]; /* loss, gradients of X and Y */
  float dloss;
  xr_mmd a;
} mmd_setup;

static mmd_setup *make_mmd(xr_mmd_kernel kernel) {
  mmd_setup *s = xr_block_alloc(sizeof *s);
  *s = (mmd_setup){.dloss = 0.375f};
  s->a = (xr_mmd){.rows = {N, M}, .width = WIDTH, .options = {kernel, 0.25f}, .dloss = &s->dloss};
  s->results = xr_random_block(&s->held, XR_F32, 1 + (N + M) * WIDTH, 1);
  s->a.loss = s->results;
  for (int side = 0; side < 2; side++) {
    s->a.x[side] = xr_random_block(&s->held, XR_F32, s->a.rows[side] * WIDTH, (uint64_t)(2 + side));
    s->a.gradient[side] = s->results + 1 + side * N * WIDTH;
    s->a.dx[side] = s->dx[side] = xr_random_block(&s->held, XR_F32, s->a.rows[side] * WIDTH, (uint64_t)(4 + side));
  }
  s->a.workspace = xr_hold(&s->held, xr_block_alloc(xr_mmd_workspace(&s->a)));
  return s;
}

static void drop_mmd(mmd_setup *s) {
  xr_release(&s->held);
  xr_block_free(s);
}

/* The same cloud on both sides, in another order: 0, and no gradient. */
Test(mmd, of_equal_clouds_is_nothing) {
  for (int kernel = 0; kernel < XR_MMD_KERNELS; kernel++) {
    mmd_setup *s = make_mmd((xr_mmd_kernel)kernel);
    s->a.rows[0] = M;
    float *x = (float *)(uintptr_t)s->a.x[0];
    for (int i = 0; i < M; i++) memcpy(x + i * WIDTH, s->a.x[1] + (M - 1 - i) * WIDTH, WIDTH * sizeof *x);
    cr_assert(xr_mmd_forward_cpu(&s->a) == XR_OK, "%s", xr_message());
    cr_assert_float_eq(s->a.loss[0], 0, 1e-7);
    for (int i = 0; i < M * WIDTH; i++) cr_assert_float_eq(s->a.gradient[0][i], 0, 1e-7);
    drop_mmd(s);
  }
}

/* Two points a distance d apart: loss = 2 k(0) - 2 k(d), where k(0) is that of the clamp. */
Test(mmd, of_two_points) {
  const float x[1] = {1}, y[1] = {1.5f}, same[1] = {1};
  float loss, gradient[2], workspace[64];
  xr_mmd a = {.rows = {1, 1}, .width = 1, .options = {XR_MMD_LAPLACE, 2}, .x = {x, y}, .loss = &loss, .workspace = workspace};
  a.gradient[0] = gradient;
  a.gradient[1] = gradient + 1;
  cr_assert_leq(xr_mmd_workspace(&a), sizeof workspace);
  cr_assert_eq(xr_mmd_forward_cpu(&a), XR_OK);
  cr_assert_float_eq(loss, 2 * exp(-2e-6) - 2 * exp(-1), 1e-6);
  cr_assert_float_eq(gradient[0], -4 * exp(-1), 1e-6);
  cr_assert_float_eq(gradient[1], 4 * exp(-1), 1e-6);
  a.x[1] = same;
  cr_assert_eq(xr_mmd_forward_cpu(&a), XR_OK);
  cr_assert_eq(loss, 0);
  cr_assert(gradient[0] == 0 && gradient[1] == 0);
}

Test(mmd, gradients_are_scaled_added_and_left_out) {
  mmd_setup *s = make_mmd(XR_MMD_LAPLACE);
  cr_assert_eq(xr_mmd_forward_cpu(&s->a), XR_OK);
  cr_assert_eq(xr_mmd_backward_cpu(&s->a), XR_OK);
  for (int i = 0; i < M * WIDTH; i++) cr_assert_eq(s->dx[1][i], s->dloss * s->a.gradient[1][i]);
  float *once = memcpy(xr_random_block(&s->held, XR_F32, N * WIDTH, 6), s->dx[0], N * WIDTH * sizeof *once);
  s->a.accumulate_dx[0] = true;
  s->a.dx[1] = NULL;
  cr_assert_eq(xr_mmd_backward_cpu(&s->a), XR_OK);
  xr_expect_doubled(once, s->dx[0], XR_F32, N * WIDTH, "dx");
  drop_mmd(s);
}

Test(mmd, not_a_number_reaches_the_loss) {
  for (int kernel = 0; kernel < XR_MMD_KERNELS; kernel++) {
    mmd_setup *s = make_mmd((xr_mmd_kernel)kernel);
    ((float *)(uintptr_t)s->a.x[1])[40 * WIDTH + 3] = NAN;
    cr_assert_eq(xr_mmd_forward_cpu(&s->a), XR_OK);
    cr_assert(isnan(s->a.loss[0]) && isnan(s->a.gradient[0][5]));
    drop_mmd(s);
  }
}

Test(mmd, same_for_any_threads) {
  mmd_setup *s = make_mmd(XR_MMD_GAUSS);
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_mmd_forward_cpu(&s->a), s->results, (1 + (N + M) * WIDTH) * sizeof(float));
  drop_mmd(s);
}

Test(mmd, wrong_arguments_are_refused) {
  xr_mmd a = {.rows = {0, 3}, .width = 4, .options = {XR_MMD_GAUSS, 1}};
  cr_assert_eq(xr_mmd_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "[0, 4] and [3, 4]"), "%s", xr_message());
  a.rows[0] = 2;
  a.options.gamma = 0;
  cr_assert_eq(xr_mmd_forward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "gamma 0"), "%s", xr_message());
  a.options = (xr_mmd_options){XR_MMD_KERNELS, 1};
  cr_assert_eq(xr_mmd_backward_cpu(&a), XR_BAD_ARGUMENT);
}

/* ---- set_spread */
enum { SETS = 40, SIZE = 5, COUNT = SETS * SIZE * WIDTH };

typedef struct {
  xr_blocks held;
  float loss, dloss, workspace[SETS], *dx;
  xr_set_spread a;
} spread_setup;

static spread_setup *make_spread(xr_spread_kind kind) {
  spread_setup *s = xr_block_alloc(sizeof *s);
  *s = (spread_setup){.dloss = 0.375f};
  s->a = (xr_set_spread){.batch = SETS, .size = SIZE, .width = WIDTH, .kind = kind, .loss = &s->loss, .workspace = s->workspace};
  s->a.x = xr_random_block(&s->held, XR_F32, COUNT, 1);
  s->a.dx = s->dx = xr_random_block(&s->held, XR_F32, COUNT, 2);
  s->a.dloss = &s->dloss;
  return s;
}

static void drop_spread(spread_setup *s) {
  xr_release(&s->held);
  xr_block_free(s);
}

/* Unit vectors of the axes, and the same vector over and over. */
Test(set_spread, of_known_sets) {
  const double expected[XR_SPREAD_KINDS][2] = {[XR_SPREAD_UNIFORMITY] = {exp(-4), 1},
                                               [XR_SPREAD_DIVERSITY] = {0, sqrt(SIZE * (SIZE - 1)) / (SIZE * SIZE)},
                                               [XR_SPREAD_COSINE] = {0, 1}};
  for (int kind = 0; kind < XR_SPREAD_KINDS; kind++)
    for (int equal = 0; equal < 2; equal++) {
      spread_setup *s = make_spread((xr_spread_kind)kind);
      float *x = (float *)(uintptr_t)s->a.x;
      for (int i = 0; i < COUNT; i++) x[i] = i % WIDTH == (equal ? 0 : i / WIDTH % SIZE);
      cr_assert(xr_set_spread_forward_cpu(&s->a) == XR_OK, "%s", xr_message());
      cr_assert_float_eq(s->loss, expected[kind][equal], 1e-6, "kind %d: %g", kind, (double)s->loss);
      cr_assert_eq(xr_set_spread_backward_cpu(&s->a), XR_OK);
      const bool flat = (equal && kind == XR_SPREAD_UNIFORMITY) || (!equal && kind == XR_SPREAD_DIVERSITY);
      for (int i = 0; i < COUNT; i++) cr_assert(isfinite(s->dx[i]) && (!flat || s->dx[i] == 0), "kind %d", kind);
      drop_spread(s);
    }
}

Test(set_spread, mean_cosine_of_pairs) {
  spread_setup *s = make_spread(XR_SPREAD_COSINE);
  double total = 0;
  for (int b = 0; b < SETS; b++)
    for (int k = 0; k < SIZE; k++)
      for (int l = 0; l < SIZE; l++)
        for (int i = 0; i < WIDTH && l != k; i++)
          total += (double)s->a.x[(b * SIZE + k) * WIDTH + i] * (double)s->a.x[(b * SIZE + l) * WIDTH + i];
  cr_assert_eq(xr_set_spread_forward_cpu(&s->a), XR_OK);
  cr_assert_float_eq(s->loss, total / (SETS * SIZE * (SIZE - 1)), 1e-5);
  drop_spread(s);
}

Test(set_spread, of_one_element_is_nothing) {
  for (int kind = 0; kind < XR_SPREAD_KINDS; kind++) {
    spread_setup *s = make_spread((xr_spread_kind)kind);
    s->a.size = 1;
    cr_assert_eq(xr_set_spread_forward_cpu(&s->a), XR_OK);
    cr_assert_eq(xr_set_spread_backward_cpu(&s->a), XR_OK);
    cr_assert_eq(s->loss, 0);
    for (int i = 0; i < SETS * WIDTH; i++) cr_assert_eq(s->dx[i], 0);
    drop_spread(s);
  }
}

Test(set_spread, gradients_are_added) {
  for (int kind = 0; kind < XR_SPREAD_KINDS; kind++) {
    spread_setup *s = make_spread((xr_spread_kind)kind);
    cr_assert_eq(xr_set_spread_backward_cpu(&s->a), XR_OK);
    float *once = memcpy(xr_random_block(&s->held, XR_F32, COUNT, 3), s->dx, COUNT * sizeof *once);
    s->a.accumulate_dx = true;
    cr_assert_eq(xr_set_spread_backward_cpu(&s->a), XR_OK);
    xr_expect_doubled(once, s->dx, XR_F32, COUNT, "dx");
    drop_spread(s);
  }
}

Test(set_spread, not_a_number_reaches_the_loss) {
  for (int kind = 0; kind < XR_SPREAD_KINDS; kind++) {
    spread_setup *s = make_spread((xr_spread_kind)kind);
    ((float *)(uintptr_t)s->a.x)[COUNT - 1] = NAN;
    cr_assert_eq(xr_set_spread_forward_cpu(&s->a), XR_OK);
    cr_assert(isnan(s->loss));
    drop_spread(s);
  }
}

Test(set_spread, same_for_any_threads) {
  spread_setup *s = make_spread(XR_SPREAD_DIVERSITY);
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_set_spread_forward_cpu(&s->a), s->workspace, sizeof s->workspace);
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_set_spread_forward_cpu(&s->a), &s->loss, sizeof s->loss);
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_set_spread_backward_cpu(&s->a), s->dx, COUNT * sizeof(float));
  drop_spread(s);
}

Test(set_spread, wrong_arguments_are_refused) {
  xr_set_spread a = {.batch = 2, .size = 17, .width = 4};
  cr_assert_eq(xr_set_spread_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "[2, 17, 4]"), "%s", xr_message());
  a.size = 4;
  a.kind = XR_SPREAD_KINDS;
  cr_assert_eq(xr_set_spread_backward_cpu(&a), XR_BAD_ARGUMENT);
}
