#include "kernels/pool/masked_mean.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static void run_case(const char *name, bool lengths, xr_dtype dtype) {
  xr_golden g = xr_golden_open("masked_mean");
  g.name = name;
  xr_blocks held = {.count = 0};
  const int64_t batch = xr_golden_dim(&g, "x", 0), tokens = xr_golden_dim(&g, "x", 1), width = xr_golden_dim(&g, "x", 2);
  xr_masked_mean a = {.batch = batch, .tokens = tokens, .width = width, .dtype = dtype};
  a.first = (int64_t)xr_golden_scalar(&g, "first");
  a.length = lengths ? xr_hold(&held, xr_golden_load(&g, "length", XR_I32)) : NULL;
  a.x = xr_hold(&held, xr_golden_load(&g, "x", dtype));
  a.dy = xr_hold(&held, xr_golden_load(&g, "dy", dtype));
  a.y = xr_hold(&held, xr_poisoned(dtype, batch * width));
  const int64_t count = batch * tokens * width;
  void *dx = a.dx = xr_hold(&held, xr_poisoned(dtype, count));
  cr_assert(xr_masked_mean_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", a.y, dtype, dtype);
  cr_assert(xr_masked_mean_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "dx", dx, dtype, dtype);
  a.dx = memcpy(xr_hold(&held, xr_poisoned(dtype, count)), dx, (size_t)count * xr_dtype_bytes(dtype));
  a.accumulate_dx = true;
  cr_assert(xr_masked_mean_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_expect_doubled(dx, a.dx, dtype, count, "dx");
  xr_release(&held);
  xr_golden_close(&g);
}

static const struct {
  const char *name;
  bool lengths;
} cases[] = {{"single", false}, {"all", false}, {"lengths", true}, {"late", true}};

Test(masked_mean, golden_f32) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i].name, cases[i].lengths, XR_F32);
}

Test(masked_mean, golden_bf16) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i].name, cases[i].lengths, XR_BF16);
}

Test(masked_mean, same_for_any_threads) {
  enum { BATCH = 7, TOKENS = 40, WIDTH = 1100, COUNT = BATCH * TOKENS * WIDTH };
  xr_blocks held = {.count = 0};
  const int32_t length[BATCH] = {40, 3, 0, 1, 39, 20, 8};
  xr_masked_mean a = {.batch = BATCH, .tokens = TOKENS, .width = WIDTH, .first = 1, .dtype = XR_F32, .length = length};
  a.x = xr_random_block(&held, XR_F32, COUNT, 1);
  a.dy = xr_random_block(&held, XR_F32, BATCH * WIDTH, 2);
  a.y = xr_hold(&held, xr_poisoned(XR_F32, BATCH * WIDTH));
  a.dx = xr_hold(&held, xr_poisoned(XR_F32, COUNT));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_masked_mean_forward_cpu(&a), a.y, BATCH * WIDTH * sizeof(float));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_masked_mean_backward_cpu(&a), a.dx, COUNT * sizeof(float));
  xr_release(&held);
}

Test(masked_mean, lengths_beyond_the_tokens_are_named_and_nothing_is_written) {
  const float x[4] = {1, 2, 3, 4};
  float y[2] = {9, 9};
  const int32_t length[2] = {2, 3};
  xr_masked_mean a = {.batch = 2, .tokens = 2, .width = 1, .dtype = XR_F32, .length = length, .x = x, .y = y};
  cr_assert_eq(xr_masked_mean_forward_cpu(&a), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "sample 1 has length 3; legal are 0 to 2"), "%s", xr_message());
  cr_assert_eq(y[0], 9);
  a.first = -1;
  cr_assert_eq(xr_masked_mean_backward_cpu(&a), XR_BAD_SHAPE);
  a.dtype = XR_I32;
  cr_assert_eq(xr_masked_mean_backward_cpu(&a), XR_UNSUPPORTED);
}
