#include <math.h>

#include "kernels/norm/l2_normalize.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

/* `precision` is the lower one of the two dtypes. */
static void run_case(const char *name, xr_dtype x_dtype, xr_dtype y_dtype, xr_dtype precision) {
  xr_golden g = xr_golden_open("l2_normalize");
  g.name = name;
  xr_blocks held = {.count = 0};
  const int64_t rows = xr_golden_dim(&g, "x", 0), cols = xr_golden_dim(&g, "x", 1), count = rows * cols;
  xr_l2_normalize a = {.rows = rows, .cols = cols, .x_dtype = x_dtype, .y_dtype = y_dtype};
  a.x = xr_hold(&held, xr_golden_load(&g, "x", x_dtype));
  a.dy = xr_hold(&held, xr_golden_load(&g, "dy", y_dtype));
  a.y = xr_hold(&held, xr_poisoned(y_dtype, count));
  a.inverse_norm = xr_hold(&held, xr_poisoned(XR_F32, rows));
  void *dx = a.dx = xr_hold(&held, xr_poisoned(x_dtype, count));
  cr_assert(xr_l2_normalize_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", a.y, y_dtype, precision);
  cr_assert(xr_l2_normalize_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "dx", dx, x_dtype, precision);
  a.dx = memcpy(xr_hold(&held, xr_poisoned(x_dtype, count)), dx, (size_t)count * xr_dtype_bytes(x_dtype));
  a.accumulate_dx = true;
  cr_assert(xr_l2_normalize_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_expect_doubled(dx, a.dx, x_dtype, count, "dx");
  xr_release(&held);
  xr_golden_close(&g);
}

static const char *const cases[] = {"1x2", "3x7", "2x512", "1x1029", "tiny"};

Test(l2_normalize, golden_f32) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i], XR_F32, XR_F32, XR_F32);
}

Test(l2_normalize, golden_bf16) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    run_case(cases[i], XR_BF16, XR_BF16, XR_BF16);
    run_case(cases[i], XR_BF16, XR_F32, XR_BF16);
    run_case(cases[i], XR_F32, XR_BF16, XR_BF16);
  }
}

Test(l2_normalize, a_row_of_zeros_stays_zero_and_finite) {
  const float x[4] = {0}, dy[4] = {1, -2, 0, 4};
  float y[4], dx[4], inverse;
  const xr_l2_normalize a = {
      .rows = 1, .cols = 4, .x_dtype = XR_F32, .y_dtype = XR_F32, .x = x, .y = y, .inverse_norm = &inverse, .dy = dy, .dx = dx};
  cr_assert_eq(xr_l2_normalize_forward_cpu(&a), XR_OK);
  cr_assert_eq(xr_l2_normalize_backward_cpu(&a), XR_OK);
  for (int i = 0; i < 4; i++) {
    cr_assert_eq(y[i], 0);
    cr_assert_eq(dx[i], 1e6f * dy[i]);
  }
}

/* A number alone normalises to its sign: y is 1 and dx is 0, both to rounding. */
Test(l2_normalize, rows_of_one_element) {
  const float x[2] = {-0.3f, 7}, dy[2] = {2, -3};
  float y[2], dx[2], inverse[2];
  const xr_l2_normalize a = {
      .rows = 2, .cols = 1, .x_dtype = XR_F32, .y_dtype = XR_F32, .x = x, .y = y, .inverse_norm = inverse, .dy = dy, .dx = dx};
  cr_assert_eq(xr_l2_normalize_forward_cpu(&a), XR_OK);
  cr_assert_eq(xr_l2_normalize_backward_cpu(&a), XR_OK);
  for (int i = 0; i < 2; i++) {
    cr_assert(fabsf(y[i] - copysignf(1, x[i])) <= 0x1p-23f);
    cr_assert(fabsf(dx[i]) <= 0x1p-21f * fabsf(dy[i]) * inverse[i]);
  }
}

Test(l2_normalize, same_for_any_threads) {
  enum { ROWS = 37, COLS = 1100, COUNT = ROWS * COLS };
  xr_blocks held = {.count = 0};
  xr_l2_normalize a = {.rows = ROWS, .cols = COLS, .x_dtype = XR_BF16, .y_dtype = XR_F32};
  a.x = xr_random_block(&held, XR_BF16, COUNT, 1);
  a.dy = xr_random_block(&held, XR_F32, COUNT, 2);
  a.y = xr_hold(&held, xr_poisoned(XR_F32, COUNT));
  a.dx = xr_hold(&held, xr_poisoned(XR_BF16, COUNT));
  a.inverse_norm = xr_hold(&held, xr_poisoned(XR_F32, ROWS));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_l2_normalize_forward_cpu(&a), a.y, COUNT * sizeof(float));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_l2_normalize_backward_cpu(&a), a.dx, COUNT * sizeof(xr_bf16));
  xr_release(&held);
}

Test(l2_normalize, wrong_arguments_are_refused) {
  xr_l2_normalize a = {.rows = 1, .cols = 0, .x_dtype = XR_F32, .y_dtype = XR_F32};
  cr_assert_eq(xr_l2_normalize_forward_cpu(&a), XR_BAD_SHAPE);
  a.cols = 1;
  a.y_dtype = XR_F16;
  cr_assert_eq(xr_l2_normalize_backward_cpu(&a), XR_UNSUPPORTED);
}
