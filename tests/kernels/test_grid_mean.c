#include "kernels/pool/grid_mean.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static const char *const cases[] = {"single", "halves", "thirds", "copy", "whole"};

static void run_case(const char *name, xr_dtype dtype) {
  xr_golden g = xr_golden_open("grid_mean");
  g.name = name;
  xr_blocks held = {.count = 0};
  xr_grid_mean a = {.batch = xr_golden_dim(&g, "x", 0), .width = xr_golden_dim(&g, "x", 2), .dtype = dtype};
  a.first = (int64_t)xr_golden_scalar(&g, "first");
  a.grid_height = (int64_t)xr_golden_scalar(&g, "grid_height");
  a.grid_width = (int64_t)xr_golden_scalar(&g, "grid_width");
  a.factor = (int64_t)xr_golden_scalar(&g, "factor");
  a.x = xr_hold(&held, xr_golden_load(&g, "x", dtype));
  a.dy = xr_hold(&held, xr_golden_load(&g, "dy", dtype));
  a.y = xr_hold(&held, xr_poisoned(dtype, a.batch * xr_grid_mean_cells(&a) * a.width));
  const int64_t count = a.batch * xr_golden_dim(&g, "x", 1) * a.width;
  void *dx = a.dx = xr_hold(&held, xr_poisoned(dtype, count));
  cr_assert(xr_grid_mean_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", a.y, dtype, dtype);
  cr_assert(xr_grid_mean_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "dx", dx, dtype, dtype);
  a.dx = memcpy(xr_hold(&held, xr_poisoned(dtype, count)), dx, (size_t)count * xr_dtype_bytes(dtype));
  a.accumulate_dx = true;
  cr_assert(xr_grid_mean_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_expect_doubled(dx, a.dx, dtype, count, "dx");
  xr_release(&held);
  xr_golden_close(&g);
}

Test(grid_mean, golden_f32) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i], XR_F32);
}

Test(grid_mean, golden_bf16) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i], XR_BF16);
}

/* Means of four whole numbers are exact: equal to a plain loop, also beyond one span of channels. */
Test(grid_mean, rows_longer_than_a_span_are_exact) {
  enum { HEIGHT = 4, WIDTH = 6, TOKENS = 1 + HEIGHT * WIDTH, CHANNELS = 2051 };
  xr_blocks held = {.count = 0};
  float *x = xr_hold(&held, xr_poisoned(XR_F32, TOKENS * CHANNELS));
  for (int64_t i = 0; i < TOKENS * CHANNELS; i++) x[i] = (float)(i * 37 % 101 - 50);
  float *y = xr_hold(&held, xr_poisoned(XR_F32, 6 * CHANNELS)), *dx = xr_hold(&held, xr_poisoned(XR_F32, TOKENS * CHANNELS));
  xr_grid_mean a = {.batch = 1, .first = 1, .grid_height = HEIGHT, .grid_width = WIDTH, .width = CHANNELS, .factor = 2, .dtype = XR_F32};
  a.x = x;
  a.y = y;
  a.dy = x;
  a.dx = dx;
  cr_assert(xr_grid_mean_forward_cpu(&a) == XR_OK, "%s", xr_message());
  cr_assert(xr_grid_mean_backward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int i = 0; i < HEIGHT; i++) {
    for (int j = 0; j < WIDTH; j++) {
      const int cell = i / 2 * (WIDTH / 2) + j / 2, corner = 1 + i / 2 * 2 * WIDTH + j / 2 * 2;
      for (int c = 0; c < CHANNELS; c++) {
        const float *at = x + corner * CHANNELS + c;
        cr_assert_eq(y[cell * CHANNELS + c], (at[0] + at[CHANNELS] + at[WIDTH * CHANNELS] + at[(WIDTH + 1) * CHANNELS]) / 4);
        cr_assert_eq(dx[(1 + i * WIDTH + j) * CHANNELS + c], x[cell * CHANNELS + c] / 4);
      }
    }
  }
  for (int c = 0; c < CHANNELS; c++) cr_assert_eq(dx[c], 0);
  xr_release(&held);
}

Test(grid_mean, same_for_any_threads) {
  enum { BATCH = 3, TOKENS = 1 + 24 * 8, CELLS = 12, CHANNELS = 70, COUNT = BATCH * TOKENS * CHANNELS };
  xr_blocks held = {.count = 0};
  xr_grid_mean a = {.batch = BATCH, .first = 1, .grid_height = 24, .grid_width = 8, .width = CHANNELS, .factor = 4, .dtype = XR_F32};
  a.x = xr_random_block(&held, XR_F32, COUNT, 1);
  a.dy = xr_random_block(&held, XR_F32, BATCH * CELLS * CHANNELS, 2);
  a.y = xr_hold(&held, xr_poisoned(XR_F32, BATCH * CELLS * CHANNELS));
  a.dx = xr_hold(&held, xr_poisoned(XR_F32, COUNT));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_grid_mean_forward_cpu(&a), a.y, BATCH * CELLS * CHANNELS * sizeof(float));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_grid_mean_backward_cpu(&a), a.dx, COUNT * sizeof(float));
  xr_release(&held);
}

Test(grid_mean, a_grid_without_whole_cells_is_named) {
  xr_grid_mean a = {.batch = 1, .grid_height = 24, .grid_width = 8, .width = 1, .factor = 3, .dtype = XR_F32};
  cr_assert_eq(xr_grid_mean_forward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "24 x 8 tokens has no whole cells of 3 x 3"), "%s", xr_message());
  a.factor = 16;
  cr_assert_eq(xr_grid_mean_backward_cpu(&a), XR_BAD_SHAPE);
  cr_assert(strstr(xr_message(), "24 x 8 tokens has no whole cells of 16 x 16"), "%s", xr_message());
  a.factor = 0;
  cr_assert_eq(xr_grid_mean_forward_cpu(&a), XR_BAD_SHAPE);
  a.factor = 2;
  a.first = 2;
  cr_assert_eq(xr_grid_mean_forward_cpu(&a), XR_BAD_SHAPE);
  a.dtype = XR_I32;
  cr_assert_eq(xr_grid_mean_forward_cpu(&a), XR_UNSUPPORTED);
}
