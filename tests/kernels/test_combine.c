#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "kernels/elementwise/add_broadcast.h"
#include "kernels/elementwise/gated_mix.h"
#include "kernels/elementwise/layer_scale.h"
#include "kernels/elementwise/pair_features.h"
#include "tests/support/golden.h"
#include "tests/support/kernel.h"

/* One case of the golden file and what a run of it needs. */
typedef struct {
  xr_golden golden;
  xr_blocks held;
  char name[48];
} run_state;

static run_state *open_case(run_state *r, const char *operation, const char *size) {
  *r = (run_state){.golden = xr_golden_open("combine")};
  snprintf(r->name, sizeof r->name, "%s.%s", operation, size);
  r->golden.name = r->name;
  return r;
}

static void close_case(run_state *r) {
  xr_release(&r->held);
  xr_golden_close(&r->golden);
}

static void *in(run_state *r, const char *tensor, xr_dtype dtype) { return xr_hold(&r->held, xr_golden_load(&r->golden, tensor, dtype)); }
static void *out(run_state *r, xr_dtype dtype, int64_t count) { return xr_hold(&r->held, xr_poisoned(dtype, count)); }
static void *copy(run_state *r, const void *values, xr_dtype dtype, int64_t count) {
  return memcpy(out(r, dtype, count), values, (size_t)count * xr_dtype_bytes(dtype));
}
/* Workspace of exactly this size: NULL for 0. */
static float *space(run_state *r, size_t bytes) { return bytes ? out(r, XR_F32, (int64_t)(bytes / sizeof(float))) : NULL; }

#define EXPECT_OK(call) cr_assert((call) == XR_OK, "%s", xr_message())

static const char *const sizes[] = {"1x1", "3x7", "2x24", "37x5"};
static const xr_dtype dtypes[] = {XR_F32, XR_BF16};

static void run_add_broadcast(const char *size, xr_dtype dtype, bool parameter) {
  run_state state, *r = open_case(&state, "add_broadcast", size);
  const int64_t rows = xr_golden_dim(&r->golden, "x", 0), cols = xr_golden_dim(&r->golden, "x", 1);
  const xr_dtype v_dtype = parameter ? XR_F32 : dtype;
  xr_add_broadcast_args a = {.rows = rows, .cols = cols, .dtype = dtype, .v_dtype = v_dtype, .dx_dtype = dtype, .dv_dtype = v_dtype};
  a.x = in(r, "x", dtype);
  a.v = in(r, "v", v_dtype);
  a.dy = in(r, "dy", dtype);
  a.y = out(r, dtype, rows * cols);
  EXPECT_OK(xr_add_broadcast_forward_cpu(&a));
  xr_golden_expect(&r->golden, "y", a.y, dtype, dtype);

  void *dx = a.dx = out(r, dtype, rows * cols), *dv = a.dv = out(r, v_dtype, cols);
  a.workspace = space(r, xr_add_broadcast_workspace(&a));
  EXPECT_OK(xr_add_broadcast_backward_cpu(&a));
  xr_golden_expect(&r->golden, "dx", dx, dtype, dtype);
  xr_golden_expect(&r->golden, "dv", dv, v_dtype, dtype);
  a.dx = copy(r, dx, dtype, rows * cols);
  a.dv = copy(r, dv, v_dtype, cols);
  a.accumulate_dx = a.accumulate_dv = true;
  EXPECT_OK(xr_add_broadcast_backward_cpu(&a));
  xr_expect_doubled(dx, a.dx, dtype, rows * cols, "dx");
  xr_expect_doubled(dv, a.dv, v_dtype, cols, "dv");

  a.y = copy(r, a.x, dtype, rows * cols);
  a.x = a.y;
  EXPECT_OK(xr_add_broadcast_forward_cpu(&a));
  xr_golden_expect(&r->golden, "y", a.y, dtype, dtype);
  close_case(r);
}

Test(combine, add_broadcast) {
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int d = 0; d < 2; d++)
      for (int parameter = 0; parameter < 2; parameter++) run_add_broadcast(sizes[i], dtypes[d], parameter);
}

static void run_layer_scale(const char *size, xr_dtype dtype) {
  run_state state, *r = open_case(&state, "layer_scale", size);
  const int64_t rows = xr_golden_dim(&r->golden, "x", 0), cols = xr_golden_dim(&r->golden, "x", 1), count = rows * cols;
  xr_layer_scale_args a = {.rows = rows, .cols = cols, .dtype = dtype};
  a.x = in(r, "x", dtype);
  a.y = in(r, "y", dtype);
  a.gamma = in(r, "gamma", XR_F32);
  a.dout = in(r, "dout", dtype);
  a.out = out(r, dtype, count);
  EXPECT_OK(xr_layer_scale_forward_cpu(&a));
  xr_golden_expect(&r->golden, "out", a.out, dtype, dtype);

  void *dx = a.dx = out(r, dtype, count), *dy = a.dy = out(r, dtype, count);
  float *dgamma = a.dgamma = out(r, XR_F32, cols);
  a.workspace = space(r, xr_layer_scale_workspace(&a));
  EXPECT_OK(xr_layer_scale_backward_cpu(&a));
  xr_golden_expect(&r->golden, "dx", dx, dtype, dtype);
  xr_golden_expect(&r->golden, "dy", dy, dtype, dtype);
  xr_golden_expect(&r->golden, "dgamma", dgamma, XR_F32, dtype);
  a.dx = copy(r, dx, dtype, count);
  a.dy = copy(r, dy, dtype, count);
  a.dgamma = copy(r, dgamma, XR_F32, cols);
  a.accumulate_dx = a.accumulate_dy = a.accumulate_dgamma = true;
  EXPECT_OK(xr_layer_scale_backward_cpu(&a));
  xr_expect_doubled(dx, a.dx, dtype, count, "dx");
  xr_expect_doubled(dy, a.dy, dtype, count, "dy");
  xr_expect_doubled(dgamma, a.dgamma, XR_F32, cols, "dgamma");

  /* dy over dout, and alone */
  a.dx = NULL;
  a.dgamma = NULL;
  a.workspace = NULL;
  a.y = NULL;
  a.accumulate_dy = false;
  a.dy = copy(r, a.dout, dtype, count);
  a.dout = a.dy;
  EXPECT_OK(xr_layer_scale_backward_cpu(&a));
  xr_golden_expect(&r->golden, "dy", a.dy, dtype, dtype);
  close_case(r);
}

Test(combine, layer_scale) {
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int d = 0; d < 2; d++) run_layer_scale(sizes[i], dtypes[d]);
}

static void run_pair_features(const char *size, xr_dtype dtype) {
  run_state state, *r = open_case(&state, "pair_features", size);
  const int64_t rows = xr_golden_dim(&r->golden, "v", 0), cols = xr_golden_dim(&r->golden, "v", 1), count = rows * cols;
  xr_pair_features_args a = {.rows = rows, .cols = cols, .dtype = dtype};
  a.v = in(r, "v", dtype);
  a.t = in(r, "t", dtype);
  a.dout = in(r, "dout", dtype);
  a.out = out(r, dtype, 4 * count);
  EXPECT_OK(xr_pair_features_forward_cpu(&a));
  xr_golden_expect(&r->golden, "out", a.out, dtype, dtype);
  void *dv = a.dv = out(r, dtype, count), *dt = a.dt = out(r, dtype, count);
  EXPECT_OK(xr_pair_features_backward_cpu(&a));
  xr_golden_expect(&r->golden, "dv", dv, dtype, dtype);
  xr_golden_expect(&r->golden, "dt", dt, dtype, dtype);
  a.dv = copy(r, dv, dtype, count);
  a.dt = NULL;
  a.accumulate_dv = true;
  EXPECT_OK(xr_pair_features_backward_cpu(&a));
  xr_expect_doubled(dv, a.dv, dtype, count, "dv");
  a.dv = NULL;
  a.dt = copy(r, dt, dtype, count);
  a.accumulate_dt = true;
  EXPECT_OK(xr_pair_features_backward_cpu(&a));
  xr_expect_doubled(dt, a.dt, dtype, count, "dt");
  close_case(r);
}

Test(combine, pair_features) {
  for (int i = 0; i < 3; i++)
    for (int d = 0; d < 2; d++) run_pair_features(sizes[i], dtypes[d]);
}

static void run_gated_mix(const char *size, xr_dtype dtype) {
  run_state state, *r = open_case(&state, "gated_mix", size);
  const int64_t count = xr_golden_dim(&r->golden, "z", 0);
  xr_gated_mix_args k = {.count = count, .dtype = dtype};
  k.z = in(r, "z", dtype);
  k.a = in(r, "a", dtype);
  k.b = in(r, "b", dtype);
  k.dout = in(r, "dout", dtype);
  k.out = out(r, dtype, count);
  EXPECT_OK(xr_gated_mix_forward_cpu(&k));
  xr_golden_expect(&r->golden, "out", k.out, dtype, dtype);
  void *dz = k.dz = out(r, dtype, count), *da = k.da = out(r, dtype, count), *db = k.db = out(r, dtype, count);
  EXPECT_OK(xr_gated_mix_backward_cpu(&k));
  xr_golden_expect(&r->golden, "dz", dz, dtype, dtype);
  xr_golden_expect(&r->golden, "da", da, dtype, dtype);
  xr_golden_expect(&r->golden, "db", db, dtype, dtype);
  k.dz = copy(r, dz, dtype, count);
  k.da = copy(r, da, dtype, count);
  k.db = copy(r, db, dtype, count);
  k.accumulate_dz = k.accumulate_da = k.accumulate_db = true;
  EXPECT_OK(xr_gated_mix_backward_cpu(&k));
  xr_expect_doubled(dz, k.dz, dtype, count, "dz");
  xr_expect_doubled(da, k.da, dtype, count, "da");
  xr_expect_doubled(db, k.db, dtype, count, "db");

  /* dz over dout, alone; out over z */
  k.da = k.db = NULL;
  k.accumulate_dz = false;
  k.dz = copy(r, k.dout, dtype, count);
  k.dout = k.dz;
  EXPECT_OK(xr_gated_mix_backward_cpu(&k));
  xr_golden_expect(&r->golden, "dz", k.dz, dtype, dtype);
  k.out = copy(r, k.z, dtype, count);
  k.z = k.out;
  EXPECT_OK(xr_gated_mix_forward_cpu(&k));
  xr_golden_expect(&r->golden, "out", k.out, dtype, dtype);
  close_case(r);
}

Test(combine, gated_mix) {
  for (int d = 0; d < 2; d++) {
    run_gated_mix("1", dtypes[d]);
    run_gated_mix("133", dtypes[d]);
  }
}

/* Rows in many blocks, columns in several spans: sums of whole numbers are exact, whatever the order. */
static void run_large_sums(int64_t rows, int64_t cols) {
  xr_blocks held = {.count = 0};
  float *g = xr_hold(&held, xr_poisoned(XR_F32, rows * cols)), *y = xr_hold(&held, xr_poisoned(XR_F32, rows * cols)),
        *expected_v = xr_hold(&held, xr_poisoned(XR_F32, cols)), *expected_gamma = xr_hold(&held, xr_poisoned(XR_F32, cols)),
        *sum = xr_hold(&held, xr_poisoned(XR_F32, cols));
  for (int64_t i = 0; i < cols; i++) expected_v[i] = expected_gamma[i] = 0;
  for (int64_t i = 0; i < rows * cols; i++) {
    g[i] = (float)(i * 7 % 13) - 6;
    y[i] = (float)(i * 5 % 11) - 4;
    expected_v[i % cols] += g[i];
    expected_gamma[i % cols] += g[i] * y[i];
  }
  xr_add_broadcast_args a = {.rows = rows, .cols = cols, .dtype = XR_F32, .dv_dtype = XR_F32, .dy = g, .dv = sum};
  xr_layer_scale_args s = {.rows = rows, .cols = cols, .dtype = XR_F32, .y = y, .dout = g, .dgamma = sum};
  const size_t bytes = xr_add_broadcast_workspace(&a);
  cr_assert_eq(bytes, xr_layer_scale_workspace(&s));
  cr_assert_gt(bytes, 0, "one block of rows has no partial sums");
  a.workspace = s.workspace = xr_hold(&held, xr_poisoned(XR_F32, (int64_t)(bytes / sizeof(float))));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_add_broadcast_backward_cpu(&a), sum, (size_t)cols * sizeof *sum);
  for (int64_t i = 0; i < cols; i++) cr_assert_eq(sum[i], expected_v[i], "dv[%d] of %d x %d", (int)i, (int)rows, (int)cols);
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_layer_scale_backward_cpu(&s), sum, (size_t)cols * sizeof *sum);
  for (int64_t i = 0; i < cols; i++) cr_assert_eq(sum[i], expected_gamma[i], "dgamma[%d] of %d x %d", (int)i, (int)rows, (int)cols);
  xr_release(&held);
}

Test(combine, sums_over_many_rows_are_whole) {
  run_large_sums(33, 1);
  run_large_sums(1000, 7);
  run_large_sums(40000, 3); /* more rows than the blocks could have at the least size */
  run_large_sums(321, 2100);
}

Test(combine, no_rows_have_a_sum_of_zero) {
  float dv[3] = {1, 2, 3}, dgamma[3] = {1, 2, 3};
  const xr_add_broadcast_args a = {.rows = 0, .cols = 3, .dtype = XR_F32, .dv_dtype = XR_F32, .dv = dv};
  const xr_layer_scale_args s = {.rows = 0, .cols = 3, .dtype = XR_F32, .dgamma = dgamma};
  EXPECT_OK(xr_add_broadcast_backward_cpu(&a));
  EXPECT_OK(xr_layer_scale_backward_cpu(&s));
  for (int i = 0; i < 3; i++) cr_assert(dv[i] == 0 && dgamma[i] == 0);
}

Test(combine, same_for_any_threads) {
  enum { ROWS = 301, COLS = 1030, COUNT = ROWS * COLS };
  xr_blocks held = {.count = 0};
  const void *x = xr_random_block(&held, XR_BF16, 4 * COUNT, 1), *b = xr_random_block(&held, XR_BF16, COUNT, 2),
             *z = xr_random_block(&held, XR_BF16, COUNT, 3);
  const float *gamma = xr_random_block(&held, XR_F32, COLS, 4);
  void *out = xr_hold(&held, xr_poisoned(XR_BF16, 4 * COUNT)), *workspace = NULL;
  xr_add_broadcast_args add = {.rows = ROWS, .cols = COLS, .dtype = XR_BF16, .v_dtype = XR_F32, .dv_dtype = XR_F32, .x = x, .v = gamma};
  xr_layer_scale_args scale = {.rows = ROWS, .cols = COLS, .dtype = XR_BF16, .x = x, .y = b, .gamma = gamma, .out = out, .dout = z};
  const xr_pair_features_args pair = {
      .rows = ROWS, .cols = COLS, .dtype = XR_BF16, .v = b, .t = z, .out = out, .dout = x, .dv = out, .dt = (xr_bf16 *)out + COUNT};
  const xr_gated_mix_args mix = {.count = COUNT, .dtype = XR_BF16, .z = z, .a = x, .b = b, .out = out, .dout = x, .dz = out};
  add.y = add.dv = out;
  add.dy = x;
  scale.dgamma = out;
  add.workspace = scale.workspace = workspace = xr_hold(&held,
                                                        xr_poisoned(XR_F32, (int64_t)(xr_add_broadcast_workspace(&add) / sizeof(float))));
  cr_assert(workspace);
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_add_broadcast_forward_cpu(&add), out, COUNT * sizeof(xr_bf16));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_add_broadcast_backward_cpu(&add), out, COLS * sizeof(float));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_layer_scale_forward_cpu(&scale), out, COUNT * sizeof(xr_bf16));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_layer_scale_backward_cpu(&scale), out, COLS * sizeof(float));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_pair_features_forward_cpu(&pair), out, 4 * COUNT * sizeof(xr_bf16));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_pair_features_backward_cpu(&pair), out, 2 * COUNT * sizeof(xr_bf16));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_gated_mix_forward_cpu(&mix), out, COUNT * sizeof(xr_bf16));
  XR_EXPECT_SAME_FOR_ANY_THREADS(xr_gated_mix_backward_cpu(&mix), out, COUNT * sizeof(xr_bf16));
  xr_release(&held);
}

static void expect_refused(xr_status got, xr_status expected, const char *message) {
  cr_assert_eq(got, expected);
  cr_assert(strstr(xr_message(), message), "\"%s\" is not in \"%s\"", message, xr_message());
}

Test(combine, wrong_arguments_are_refused) {
  float one = 1;
  const xr_add_broadcast_args add = {.rows = 1, .cols = 0, .dtype = XR_F32}, add_v = {.cols = 1, .dtype = XR_F32, .v_dtype = XR_I32},
                              add_dv = {.cols = 1, .dtype = XR_F32, .dv_dtype = XR_I32, .dv = &one},
                              add_dx = {.cols = 1, .dtype = XR_F32, .dx_dtype = XR_U8, .dx = &one};
  expect_refused(xr_add_broadcast_forward_cpu(&add), XR_BAD_SHAPE, "add_broadcast: x [1, 0]");
  expect_refused(xr_add_broadcast_forward_cpu(&add_v), XR_UNSUPPORTED, "v is i32");
  expect_refused(xr_add_broadcast_backward_cpu(&add_dv), XR_UNSUPPORTED, "dv is i32");
  expect_refused(xr_add_broadcast_backward_cpu(&add_dx), XR_UNSUPPORTED, "dx is u8");
  const xr_layer_scale_args scale = {.rows = -1, .cols = 3, .dtype = XR_F32}, scale_dtype = {.cols = 3, .dtype = XR_I32};
  expect_refused(xr_layer_scale_forward_cpu(&scale), XR_BAD_SHAPE, "layer_scale: x [-1, 3]");
  expect_refused(xr_layer_scale_backward_cpu(&scale_dtype), XR_UNSUPPORTED, "dtype i32");
  const xr_pair_features_args pair = {.rows = 2, .cols = 0, .dtype = XR_F32}, pair_dtype = {.cols = 1, .dtype = XR_I32};
  expect_refused(xr_pair_features_forward_cpu(&pair), XR_BAD_SHAPE, "pair_features: v [2, 0]");
  expect_refused(xr_pair_features_backward_cpu(&pair_dtype), XR_UNSUPPORTED, "dtype i32");
  const xr_gated_mix_args mix = {.dtype = XR_I32};
  expect_refused(xr_gated_mix_forward_cpu(&mix), XR_UNSUPPORTED, "dtype i32");
  expect_refused(xr_gated_mix_backward_cpu(&mix), XR_UNSUPPORTED, "dtype i32");
}
