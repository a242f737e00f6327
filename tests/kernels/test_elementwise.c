#include <math.h>
#include <stdio.h>

#include "kernels/elementwise/add.h"
#include "kernels/elementwise/cast.h"
#include "kernels/elementwise/dropout.h"
#include "kernels/elementwise/scale.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

static void *copy_of(xr_blocks *held, const void *values, xr_dtype dtype, int64_t count) {
  return memcpy(xr_hold(held, xr_poisoned(dtype, count)), values, (size_t)count * xr_dtype_bytes(dtype));
}

static xr_golden open_case(const char *operation, int count, char name[32]) {
  xr_golden g = xr_golden_open("elementwise");
  snprintf(name, 32, "%s.%d", operation, count);
  g.name = name;
  return g;
}

static void run_add(int count, xr_dtype dtype) {
  char name[32];
  xr_golden g = open_case("add", count, name);
  xr_blocks held = {.count = 0};
  xr_add a = {.count = count, .dtype = dtype, .alpha = 0.75f, .beta = -1.5f};
  a.a = xr_hold(&held, xr_golden_load(&g, "a", dtype));
  a.b = xr_hold(&held, xr_golden_load(&g, "b", dtype));
  a.dy = xr_hold(&held, xr_golden_load(&g, "dy", dtype));
  a.y = xr_hold(&held, xr_poisoned(dtype, count));
  cr_assert(xr_add_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", a.y, dtype, dtype);
  void *da = a.da = xr_hold(&held, xr_poisoned(dtype, count)), *db = a.db = xr_hold(&held, xr_poisoned(dtype, count));
  cr_assert(xr_add_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "da", da, dtype, dtype);
  xr_golden_expect(&g, "db", db, dtype, dtype);
  a.da = copy_of(&held, da, dtype, count);
  a.db = copy_of(&held, db, dtype, count);
  a.accumulate_da = a.accumulate_db = true;
  cr_assert(xr_add_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_expect_doubled(da, a.da, dtype, count, "da");
  xr_expect_doubled(db, a.db, dtype, count, "db");
  void *in_place = copy_of(&held, a.a, dtype, count);
  a.a = a.y = in_place;
  cr_assert(xr_add_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", in_place, dtype, dtype);
  xr_release(&held);
  xr_golden_close(&g);
}

static void run_scale(int count, xr_dtype dtype) {
  char name[32];
  xr_golden g = open_case("scale", count, name);
  xr_blocks held = {.count = 0};
  xr_scale a = {.count = count, .dtype = dtype, .alpha = 0.75f};
  a.x = xr_hold(&held, xr_golden_load(&g, "x", dtype));
  a.dy = xr_hold(&held, xr_golden_load(&g, "dy", dtype));
  a.y = xr_hold(&held, xr_poisoned(dtype, count));
  void *dx = a.dx = xr_hold(&held, xr_poisoned(dtype, count));
  cr_assert(xr_scale_forward_cpu(&a) == XR_OK && xr_scale_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", a.y, dtype, dtype);
  xr_golden_expect(&g, "dx", dx, dtype, dtype);
  a.dx = copy_of(&held, dx, dtype, count);
  a.accumulate_dx = true;
  cr_assert(xr_scale_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_expect_doubled(dx, a.dx, dtype, count, "dx");
  xr_release(&held);
  xr_golden_close(&g);
}

static void run_dropout(int count, xr_dtype dtype) {
  char name[32];
  xr_golden g = open_case("dropout", count, name);
  xr_blocks held = {.count = 0};
  const xr_seed seed = {.key = (uint64_t)xr_golden_scalar(&g, "key"), .counter = (uint64_t)xr_golden_scalar(&g, "step")};
  xr_dropout a = {.count = count, .dtype = dtype, .seed = &seed};
  a.rate = (float)xr_golden_scalar(&g, "rate");
  a.node = (uint64_t)xr_golden_scalar(&g, "node");
  a.x = xr_hold(&held, xr_golden_load(&g, "x", dtype));
  a.dy = xr_hold(&held, xr_golden_load(&g, "dy", dtype));
  a.y = xr_hold(&held, xr_poisoned(dtype, count));
  void *dx = a.dx = xr_hold(&held, xr_poisoned(dtype, count));
  cr_assert(xr_dropout_forward_cpu(&a) == XR_OK && xr_dropout_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", a.y, dtype, dtype);
  xr_golden_expect(&g, "dx", dx, dtype, dtype);
  a.dx = copy_of(&held, dx, dtype, count);
  a.accumulate_dx = true;
  cr_assert(xr_dropout_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_expect_doubled(dx, a.dx, dtype, count, "dx");
  xr_release(&held);
  xr_golden_close(&g);
}

static const xr_dtype dtypes[] = {XR_F32, XR_BF16};

Test(elementwise, add) {
  for (int d = 0; d < 2; d++) {
    run_add(1, dtypes[d]);
    run_add(1029, dtypes[d]);
  }
}

Test(elementwise, scale) {
  for (int d = 0; d < 2; d++) {
    run_scale(1, dtypes[d]);
    run_scale(1029, dtypes[d]);
  }
}

Test(elementwise, dropout) {
  for (int d = 0; d < 2; d++) {
    run_dropout(1, dtypes[d]);
    run_dropout(130, dtypes[d]);
    run_dropout(1029, dtypes[d]);
  }
}

Test(elementwise, cast_rounds_to_nearest_even_and_keeps_what_is_special) {
  static const struct {
    float x;
    xr_bf16 y;
  } cases[] = {{1.0f, 0x3f80},        {0x1.01p0f, 0x3f80}, {0x1.03p0f, 0x3f82}, {0x1.010002p0f, 0x3f81}, {-0.0f, 0x8000},
               {0x1.ffp127f, 0x7f80}, {INFINITY, 0x7f80},  {0x1p-149f, 0x0000}, {0x1p-133f, 0x0001}};
  enum { COUNT = sizeof cases / sizeof *cases };
  float x[COUNT], back[COUNT];
  xr_bf16 y[COUNT];
  for (int i = 0; i < COUNT; i++) x[i] = cases[i].x;
  xr_cast narrow = {.count = COUNT, .x_dtype = XR_F32, .y_dtype = XR_BF16, .x = x, .y = y, .dy = y, .dx = back};
  cr_assert_eq(xr_cast_forward_cpu(&narrow), XR_OK);
  cr_assert_eq(xr_cast_backward_cpu(&narrow), XR_OK);
  for (int i = 0; i < COUNT; i++) {
    cr_assert_eq(y[i], cases[i].y, "%a becomes %04x", (double)x[i], y[i]);
    cr_assert_eq(back[i], xr_bf16_to_f32(cases[i].y));
  }
  narrow.accumulate_dx = true;
  cr_assert_eq(xr_cast_backward_cpu(&narrow), XR_OK);
  for (int i = 0; i < COUNT; i++) cr_assert_eq(back[i], 2 * xr_bf16_to_f32(cases[i].y));
  x[0] = NAN;
  cr_assert_eq(xr_cast_forward_cpu(&narrow), XR_OK);
  cr_assert(isnan(xr_bf16_to_f32(y[0])));
}

Test(elementwise, dropout_keeps_the_expected_share_and_depends_on_step_and_node) {
  enum { COUNT = 100000 };
  xr_blocks held = {.count = 0};
  xr_seed seed = {.key = 5, .counter = 1};
  float *x = xr_hold(&held, xr_poisoned(XR_F32, COUNT)), *y[3];
  for (int i = 0; i < COUNT; i++) x[i] = 1;
  for (int run = 0; run < 3; run++) {
    y[run] = xr_hold(&held, xr_poisoned(XR_F32, COUNT));
    seed.counter = run == 1 ? 2 : 1;
    xr_dropout a = {.count = COUNT, .dtype = XR_F32, .rate = 0.3f, .seed = &seed, .node = run == 2 ? 8 : 7, .x = x, .y = y[run]};
    cr_assert_eq(xr_dropout_forward_cpu(&a), XR_OK);
    int kept = 0, equal = 0;
    for (int i = 0; i < COUNT; i++) {
      cr_assert(y[run][i] == 0 || y[run][i] == 1 / (1 - 0.3f));
      kept += y[run][i] > 0;
      equal += y[run][i] == y[0][i];
    }
    /* binomial, five standard deviations: 5 sqrt(0.3 * 0.7 * 100000) = 725; equal pairs: 0.3^2 + 0.7^2, 5 sqrt(0.58 * 0.42 * 100000) = 780
     */
    cr_assert(abs(kept - 70000) < 725, "%d of %d are kept", kept, COUNT);
    if (run) cr_assert(abs(equal - 58000) < 780, "%d of %d agree with another mask", equal, COUNT);
  }
  xr_release(&held);
}

Test(elementwise, same_for_any_threads) {
  enum { COUNT = 10007 };
  xr_blocks held = {.count = 0};
  const xr_seed seed = {.key = 5, .counter = 1};
  const void *x = xr_random_block(&held, XR_BF16, COUNT, 1), *b = xr_random_block(&held, XR_BF16, COUNT, 2);
  void *y = xr_hold(&held, xr_poisoned(XR_BF16, COUNT));
  const xr_add add = {.count = COUNT, .dtype = XR_BF16, .alpha = 0.3f, .beta = 2, .a = x, .b = b, .y = y};
  const xr_scale scale = {.count = COUNT, .dtype = XR_BF16, .alpha = 0.3f, .dy = x, .dx = y};
  const xr_dropout dropout = {.count = COUNT, .dtype = XR_BF16, .rate = 0.5f, .seed = &seed, .x = x, .y = y};
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_add_forward_cpu(&add), y, COUNT * sizeof(xr_bf16));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_scale_backward_cpu(&scale), y, COUNT * sizeof(xr_bf16));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_dropout_forward_cpu(&dropout), y, COUNT * sizeof(xr_bf16));
  xr_release(&held);
}

Test(elementwise, wrong_arguments_are_refused) {
  const xr_dropout always = {.dtype = XR_F32, .rate = 1};
  cr_assert_eq(xr_dropout_forward_cpu(&always), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "rate 1"), "%s", xr_message());
  const xr_add add = {.dtype = XR_I32};
  cr_assert_eq(xr_add_forward_cpu(&add), XR_UNSUPPORTED);
  const xr_scale scale = {.dtype = XR_I32};
  cr_assert_eq(xr_scale_forward_cpu(&scale), XR_UNSUPPORTED);
  const xr_cast cast = {.x_dtype = XR_F32, .y_dtype = XR_I32};
  cr_assert_eq(xr_cast_backward_cpu(&cast), XR_UNSUPPORTED);
}
