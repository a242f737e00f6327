#include "kernels/embedding/class_token.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static void run_case(const char *name, xr_dtype dtype) {
  xr_golden g = xr_golden_open("class_token");
  g.name = name;
  xr_blocks held = {.count = 0};
  const int64_t batch = xr_golden_dim(&g, "x", 0), tokens = xr_golden_dim(&g, "x", 1), width = xr_golden_dim(&g, "x", 2);
  const int64_t count[3] = {batch * tokens * width, width, (tokens + 1) * width}; /* of dx, dclass_token, dposition */
  const xr_dtype dtypes[3] = {dtype, XR_F32, XR_F32};
  static const char *const names[3] = {"dx", "dclass_token", "dposition"};
  xr_class_token a = {.batch = batch, .tokens = tokens, .width = width, .dtype = dtype};
  a.x = xr_hold(&held, xr_golden_load(&g, "x", dtype));
  a.class_token = xr_hold(&held, xr_golden_load(&g, "class_token", XR_F32));
  a.position = xr_hold(&held, xr_golden_load(&g, "position", dtype));
  a.dy = xr_hold(&held, xr_golden_load(&g, "dy", dtype));
  a.y = xr_hold(&held, xr_poisoned(dtype, batch * (tokens + 1) * width));
  cr_assert(xr_class_token_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", a.y, dtype, dtype);

  void *once[3], *twice[3];
  for (int k = 0; k < 3; k++) once[k] = xr_hold(&held, xr_poisoned(dtypes[k], count[k]));
  a.dx = once[0];
  a.dclass_token = once[1];
  a.dposition = once[2];
  cr_assert(xr_class_token_backward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int k = 0; k < 3; k++) {
    xr_golden_expect(&g, names[k], once[k], dtypes[k], dtype);
    twice[k] = memcpy(xr_hold(&held, xr_poisoned(dtypes[k], count[k])), once[k], (size_t)count[k] * xr_dtype_bytes(dtypes[k]));
  }
  a.dx = twice[0];
  a.dclass_token = twice[1];
  a.dposition = twice[2];
  a.accumulate_dx = a.accumulate_dclass_token = a.accumulate_dposition = true;
  cr_assert(xr_class_token_backward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int k = 0; k < 3; k++) xr_expect_doubled(once[k], twice[k], dtypes[k], count[k], names[k]);
  xr_release(&held);
  xr_golden_close(&g);
}

static const char *const cases[] = {"1x1x1", "2x5x7", "5x3x64", "1x1x1027"};

Test(class_token, golden_f32) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i], XR_F32);
}

Test(class_token, golden_bf16) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) run_case(cases[i], XR_BF16);
}

Test(class_token, same_for_any_threads) {
  enum { BATCH = 9, TOKENS = 31, WIDTH = 65, IN = BATCH * TOKENS * WIDTH, OUT = BATCH * (TOKENS + 1) * WIDTH };
  xr_blocks held = {.count = 0};
  xr_class_token a = {.batch = BATCH, .tokens = TOKENS, .width = WIDTH, .dtype = XR_F32};
  a.x = xr_random_block(&held, XR_F32, IN, 1);
  a.class_token = xr_random_block(&held, XR_F32, WIDTH, 2);
  a.position = xr_random_block(&held, XR_F32, (TOKENS + 1) * WIDTH, 3);
  a.dy = xr_random_block(&held, XR_F32, OUT, 4);
  a.y = xr_hold(&held, xr_poisoned(XR_F32, OUT));
  float *gradients = xr_hold(&held, xr_poisoned(XR_F32, IN + (TOKENS + 2) * WIDTH));
  a.dx = gradients;
  a.dclass_token = gradients + IN;
  a.dposition = gradients + IN + WIDTH;
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_class_token_forward_cpu(&a), a.y, OUT * sizeof(float));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_class_token_backward_cpu(&a), gradients, (IN + (TOKENS + 2) * WIDTH) * sizeof(float));
  xr_release(&held);
}

Test(class_token, other_dtypes_and_shapes_are_refused) {
  xr_class_token a = {.batch = 1, .tokens = 1, .width = 0, .dtype = XR_F32};
  cr_assert_eq(xr_class_token_forward_cpu(&a), XR_BAD_SHAPE);
  a.dtype = XR_I32;
  cr_assert_eq(xr_class_token_backward_cpu(&a), XR_UNSUPPORTED);
}
