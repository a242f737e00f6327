#include <math.h>

#include "kernels/conv/token_conv.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static const struct {
  const char *name;
  bool lengths;
} cases[] = {{"single", false}, {"pointwise", true}, {"short", false}, {"three", false}, {"five", true}, {"seven", true}, {"wide", false}};

static void run_case(const char *name, bool lengths, xr_dtype dtype, xr_dtype weight_dtype) {
  xr_golden g = xr_golden_open("token_conv");
  g.name = name;
  xr_blocks held = {.count = 0};
  xr_token_conv a = {.batch = xr_golden_dim(&g, "x", 0), .tokens = xr_golden_dim(&g, "x", 1), .width = xr_golden_dim(&g, "x", 2)};
  a.taps = xr_golden_dim(&g, "weight", 1);
  a.dtype = dtype;
  a.weight_dtype = weight_dtype;
  a.length = lengths ? xr_hold(&held, xr_golden_load(&g, "length", XR_I32)) : NULL;
  a.x = xr_hold(&held, xr_golden_load(&g, "x", dtype));
  a.weight = xr_hold(&held, xr_golden_load(&g, "weight", weight_dtype));
  a.dy = xr_hold(&held, xr_golden_load(&g, "dy", dtype));
  const int64_t count = a.batch * a.tokens * a.width, weights = a.width * a.taps;
  a.y = xr_hold(&held, xr_poisoned(dtype, count));
  void *dx = a.dx = xr_hold(&held, xr_poisoned(dtype, count));
  float *dweight = a.dweight = xr_hold(&held, xr_poisoned(XR_F32, weights));
  a.workspace = xr_hold(&held, xr_poisoned(XR_F32, (int64_t)(xr_token_conv_workspace(&a) / sizeof(float))));
  cr_assert(xr_token_conv_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", a.y, dtype, dtype);
  cr_assert(xr_token_conv_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "dx", dx, dtype, dtype);
  xr_golden_expect(&g, "dweight", dweight, XR_F32, dtype);
  a.dx = memcpy(xr_hold(&held, xr_poisoned(dtype, count)), dx, (size_t)count * xr_dtype_bytes(dtype));
  a.dweight = memcpy(xr_hold(&held, xr_poisoned(XR_F32, weights)), dweight, (size_t)weights * sizeof(float));
  a.accumulate_dx = a.accumulate_dweight = true;
  cr_assert(xr_token_conv_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_expect_doubled(dx, a.dx, dtype, count, "dx");
  xr_expect_doubled(dweight, a.dweight, XR_F32, weights, "dweight");
  xr_release(&held);
  xr_golden_close(&g);
}

static void run_cases(xr_dtype dtype, xr_dtype weight_dtype) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i].name, cases[i].lengths, dtype, weight_dtype);
}

Test(token_conv, golden_f32) { run_cases(XR_F32, XR_F32); }
Test(token_conv, golden_bf16) { run_cases(XR_BF16, XR_BF16); }
Test(token_conv, golden_bf16_with_an_f32_weight) { run_cases(XR_BF16, XR_F32); }
Test(token_conv, golden_f32_with_a_bf16_weight) { run_cases(XR_F32, XR_BF16); }

/* More samples than partial sums. */
Test(token_conv, same_for_any_threads) {
  enum { BATCH = XR_TOKEN_CONV_PARTS + 3, TOKENS = 6, WIDTH = 300, TAPS = 5, COUNT = BATCH * TOKENS * WIDTH };
  xr_blocks held = {.count = 0};
  int32_t length[BATCH];
  for (int b = 0; b < BATCH; b++) length[b] = b % (TOKENS + 1);
  xr_token_conv a = {.batch = BATCH, .tokens = TOKENS, .width = WIDTH, .taps = TAPS, .dtype = XR_F32, .weight_dtype = XR_F32};
  a.length = length;
  a.x = xr_random_block(&held, XR_F32, COUNT, 1);
  a.weight = xr_random_block(&held, XR_F32, WIDTH * TAPS, 2);
  a.dy = xr_random_block(&held, XR_F32, COUNT, 3);
  a.y = xr_hold(&held, xr_poisoned(XR_F32, COUNT));
  a.dx = xr_hold(&held, xr_poisoned(XR_F32, COUNT));
  a.dweight = xr_hold(&held, xr_poisoned(XR_F32, WIDTH * TAPS));
  a.workspace = xr_hold(&held, xr_poisoned(XR_F32, (int64_t)(xr_token_conv_workspace(&a) / sizeof(float))));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_token_conv_forward_cpu(&a), a.y, COUNT * sizeof(float));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_token_conv_backward_cpu(&a), a.dx, COUNT * sizeof(float));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_token_conv_backward_cpu(&a), a.dweight, WIDTH * TAPS * sizeof(float));
  xr_release(&held);
}

/* Whole numbers: exact, in partial sums of two samples, and against a plain loop. */
Test(token_conv, many_samples_are_exact) {
  enum { BATCH = 2 * XR_TOKEN_CONV_PARTS - 1, TOKENS = 3, TAPS = 3 };
  float x[BATCH * TOKENS], dy[BATCH * TOKENS], dweight[TAPS], expected[TAPS] = {0};
  for (int i = 0; i < BATCH * TOKENS; i++) {
    x[i] = (float)(i * 5 % 11 - 5);
    dy[i] = (float)(i * 7 % 13 - 6);
  }
  for (int i = 0; i < BATCH * TOKENS; i++)
    for (int k = 0, t = i % TOKENS; k < TAPS; k++)
      if (t + k >= 1 && t + k <= TOKENS) expected[k] += dy[i] * x[i + k - 1];
  xr_token_conv a = {.batch = BATCH, .tokens = TOKENS, .width = 1, .taps = TAPS, .dtype = XR_F32, .weight_dtype = XR_F32};
  xr_blocks held = {.count = 0};
  a.x = x;
  a.dy = dy;
  a.dweight = dweight;
  a.workspace = xr_hold(&held, xr_poisoned(XR_F32, (int64_t)(xr_token_conv_workspace(&a) / sizeof(float))));
  cr_assert(xr_token_conv_backward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int k = 0; k < TAPS; k++) cr_assert_eq(dweight[k], expected[k], "tap %d: %g, expected %g", k, dweight[k], expected[k]);
  a.batch = 0;
  cr_assert(xr_token_conv_backward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int k = 0; k < TAPS; k++) cr_assert_eq(dweight[k], 0);
  xr_release(&held);
}

Test(token_conv, what_lies_beyond_a_length_is_not_read) {
  const float x[4] = {1, 2, NAN, NAN}, dy[4] = {3, 5, NAN, NAN}, weight[3] = {2, 3, 5};
  float y[4], dx[4], dweight[3], workspace[3];
  const int32_t length = 2;
  xr_token_conv a = {.batch = 1, .tokens = 4, .width = 1, .taps = 3, .dtype = XR_F32, .weight_dtype = XR_F32, .length = &length};
  a.x = x;
  a.weight = weight;
  a.y = y;
  a.dy = dy;
  a.dx = dx;
  a.dweight = dweight;
  a.workspace = workspace;
  cr_assert_eq(xr_token_conv_workspace(&a), sizeof workspace);
  cr_assert(xr_token_conv_forward_cpu(&a) == XR_OK && xr_token_conv_backward_cpu(&a) == XR_OK, "%s", xr_message());
  const float expected_y[4] = {13, 8, 0, 0}, expected_dx[4] = {19, 30, 0, 0}, expected_dweight[3] = {5, 13, 6};
  for (int i = 0; i < 4; i++) {
    cr_assert_eq(y[i], expected_y[i], "y[%d] = %g", i, y[i]);
    cr_assert_eq(dx[i], expected_dx[i], "dx[%d] = %g", i, dx[i]);
  }
  for (int k = 0; k < 3; k++) cr_assert_eq(dweight[k], expected_dweight[k], "dweight[%d] = %g", k, dweight[k]);
}

Test(token_conv, bad_arguments_are_named_and_nothing_is_written) {
  const float x[4] = {1, 2, 3, 4}, weight[1] = {1};
  float y[4] = {9, 9, 9, 9};
  const int32_t length[2] = {2, 3};
  xr_token_conv a = {.batch = 2, .tokens = 2, .width = 1, .taps = 1, .dtype = XR_F32, .weight_dtype = XR_F32, .length = length};
  a.x = x;
  a.weight = weight;
  a.y = y;
  cr_assert_eq(xr_token_conv_forward_cpu(&a), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "sample 1 has length 3; legal are 0 to 2"), "%s", xr_message());
  cr_assert_eq(xr_token_conv_backward_cpu(&a), XR_BAD_INPUT);
  cr_assert_eq(y[0], 9);
  const int64_t illegal[] = {-1, 0, 2, 8, 10, 11};
  for (size_t i = 0; i < sizeof illegal / sizeof *illegal; i++) {
    a.taps = illegal[i];
    cr_assert_eq(xr_token_conv_forward_cpu(&a), XR_BAD_SHAPE);
    cr_assert(strstr(xr_message(), "odd numbers from 1 to 9"), "%s", xr_message());
  }
  a.taps = 1;
  a.tokens = -1;
  cr_assert_eq(xr_token_conv_backward_cpu(&a), XR_BAD_SHAPE);
  a.weight_dtype = XR_I32;
  cr_assert_eq(xr_token_conv_backward_cpu(&a), XR_UNSUPPORTED);
}
