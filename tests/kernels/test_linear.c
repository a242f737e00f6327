#include "kernels/linear/linear.h"

#include <criterion/criterion.h>

#include "host/base/memory.h"
#include "tests/support/golden.h"
#include "tests/support/threads.h"

static const struct {
  const char *name;
  xr_activation_kind activation;
  bool bias, transposed;
} cases[] = {{"1x1x1", XR_ACTIVATION_NONE, true, false},    {"3x7x5", XR_ACTIVATION_QUICK_GELU, true, false},
             {"33x17x20", XR_ACTIVATION_GELU, true, false}, {"65x16x8", XR_ACTIVATION_NONE, false, true},
             {"2x50x31", XR_ACTIVATION_GELU, false, true},  {"20x65x12", XR_ACTIVATION_QUICK_GELU, true, true}};

enum { CASES = sizeof cases / sizeof *cases };

static void *workspace_of(const xr_linear *a) {
  const size_t bytes = xr_linear_workspace(a);
  return bytes ? xr_poisoned(XR_U8, (int64_t)bytes) : NULL;
}

/* in_place: dpre is dy's own memory. */
static void run_golden(int index, xr_dtype dtype, xr_dtype y_dtype, bool in_place) {
  xr_golden g = xr_golden_open("linear");
  g.name = cases[index].name;
  const bool activated = cases[index].activation != XR_ACTIVATION_NONE;
  xr_linear a = {.rows = xr_golden_dim(&g, "x", 0),
                 .in = xr_golden_dim(&g, "x", 1),
                 .out = xr_golden_dim(&g, "dy", 1),
                 .dtype = dtype,
                 .y_dtype = y_dtype,
                 .activation = cases[index].activation,
                 .weight_transposed = cases[index].transposed};
  void *x = xr_golden_load(&g, "x", dtype), *weight = xr_golden_load(&g, "weight", dtype), *dy = xr_golden_load(&g, "dy", y_dtype);
  float *bias = cases[index].bias ? xr_golden_load(&g, "bias", XR_F32) : NULL, *dbias = bias ? xr_poisoned(XR_F32, a.out) : NULL;
  void *dpre = xr_poisoned(dtype, a.rows * a.out);
  a.x = x;
  a.weight = weight;
  a.bias = bias;
  a.pre = activated ? xr_poisoned(y_dtype, a.rows * a.out) : NULL;
  a.y = xr_poisoned(y_dtype, a.rows * a.out);
  a.dy = dy;
  a.dpre = in_place ? dy : dpre;
  a.dx = xr_poisoned(dtype, a.rows * a.in);
  a.dweight = xr_poisoned(XR_F32, a.in * a.out);
  a.dbias = dbias;
  a.workspace = workspace_of(&a);
  cr_assert(xr_linear_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", a.y, y_dtype, dtype);
  if (activated) xr_golden_expect(&g, "pre", a.pre, y_dtype, dtype);
  cr_assert(xr_linear_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "dx", a.dx, dtype, dtype);
  xr_golden_expect(&g, "dweight", a.dweight, XR_F32, dtype);
  if (bias) xr_golden_expect(&g, "dbias", dbias, XR_F32, dtype);
  void *blocks[] = {x, weight, dy, bias, dbias, dpre, a.pre, a.y, a.dx, a.dweight, a.workspace};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) xr_block_free(blocks[i]);
  xr_golden_close(&g);
}

Test(linear, golden_f32) {
  for (int i = 0; i < CASES; i++) run_golden(i, XR_F32, XR_F32, false);
}

Test(linear, golden_bf16) {
  for (int i = 0; i < CASES; i++) run_golden(i, XR_BF16, XR_BF16, false);
}

Test(linear, golden_bf16_with_f32_results) {
  for (int i = 0; i < CASES; i++) run_golden(i, XR_BF16, XR_F32, false);
}

Test(linear, golden_with_dpre_in_the_memory_of_dy) {
  for (int i = 0; i < CASES; i++) {
    run_golden(i, XR_F32, XR_F32, true);
    run_golden(i, XR_BF16, XR_BF16, true);
  }
}

/* Accumulating onto 1 gives what assigning gives, plus 1. */
static void run_accumulate(xr_dtype dtype, bool transposed) {
  enum { ROWS = 41, IN = 19, OUT = 23 };
  xr_linear a = {.rows = ROWS, .in = IN, .out = OUT, .dtype = dtype, .y_dtype = dtype, .weight_transposed = transposed};
  void *x = xr_random_values(dtype, ROWS * IN, 1), *weight = xr_random_values(dtype, IN * OUT, 2),
       *dy = xr_random_values(dtype, ROWS * OUT, 3);
  float *dx[2], *dweight[2], *dbias[2]; /* assigned, accumulated */
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    void *stored = xr_poisoned(dtype, ROWS * IN);
    dx[accumulate] = xr_poisoned(XR_F32, ROWS * IN);
    dweight[accumulate] = xr_poisoned(XR_F32, IN * OUT);
    dbias[accumulate] = xr_poisoned(XR_F32, OUT);
    for (int i = 0; i < IN * OUT; i++) dweight[accumulate][i] = 1;
    for (int i = 0; i < OUT; i++) dbias[accumulate][i] = 1;
    for (int i = 0; i < ROWS * IN; i++) {
      if (dtype == XR_F32)
        ((float *)stored)[i] = 1;
      else
        ((xr_bf16 *)stored)[i] = xr_f32_to_bf16(1);
    }
    a.x = x;
    a.weight = weight;
    a.dy = dy;
    a.dx = stored;
    a.dweight = dweight[accumulate];
    a.dbias = dbias[accumulate];
    a.accumulate_dx = a.accumulate_dweight = a.accumulate_dbias = accumulate;
    a.workspace = workspace_of(&a);
    cr_assert(xr_linear_backward_cpu(&a) == XR_OK, "%s", xr_message());
    for (int i = 0; i < ROWS * IN; i++) dx[accumulate][i] = dtype == XR_F32 ? ((float *)stored)[i] : xr_bf16_to_f32(((xr_bf16 *)stored)[i]);
    xr_block_free(stored);
    xr_block_free(a.workspace);
  }
  const double step = dtype == XR_F32 ? 0x1p-20 : 0x1p-3; /* dx up to 32, rounded twice */
  for (int i = 0; i < ROWS * IN; i++)
    cr_assert_float_eq(dx[1][i], dx[0][i] + 1, step, "dx[%d]: %g, %g", i, (double)dx[0][i], (double)dx[1][i]);
  for (int i = 0; i < IN * OUT; i++) cr_assert_float_eq(dweight[1][i], dweight[0][i] + 1, 0x1p-18, "dweight[%d]", i);
  for (int i = 0; i < OUT; i++) cr_assert_float_eq(dbias[1][i], dbias[0][i] + 1, 0x1p-18, "dbias[%d]", i);
  for (int i = 0; i < 2; i++) {
    xr_block_free(dx[i]);
    xr_block_free(dweight[i]);
    xr_block_free(dbias[i]);
  }
  xr_block_free(x);
  xr_block_free(weight);
  xr_block_free(dy);
}

Test(linear, gradients_accumulate) {
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    run_accumulate(dtype, false);
    run_accumulate(dtype, true);
  }
}

Test(linear, same_bytes_for_any_number_of_threads) {
  enum { ROWS = 900, IN = 130, OUT = 200 };
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    void *x = xr_random_values(dtype, ROWS * IN, 1), *weight = xr_random_values(dtype, IN * OUT, 2),
         *dy = xr_random_values(dtype, ROWS * OUT, 3);
    float *bias = xr_random_values(XR_F32, OUT, 4);
    const xr_dtype types[] = {dtype, dtype, dtype, dtype, XR_F32, XR_F32};
    const int64_t sizes[] = {ROWS * OUT, ROWS * OUT, ROWS * OUT, ROWS * IN, IN * OUT, OUT};
    void *results[3][6];
    for (int threads = 1; threads <= 3; threads++) {
      void **r = results[threads - 1];
      for (int i = 0; i < 6; i++) r[i] = xr_poisoned(types[i], sizes[i]);
      xr_linear a = {.rows = ROWS,
                     .in = IN,
                     .out = OUT,
                     .dtype = dtype,
                     .y_dtype = dtype,
                     .activation = XR_ACTIVATION_QUICK_GELU,
                     .x = x,
                     .weight = weight,
                     .bias = bias,
                     .dy = dy,
                     .y = r[0],
                     .pre = r[1],
                     .dpre = r[2],
                     .dx = r[3],
                     .dweight = r[4],
                     .dbias = r[5]};
      a.workspace = workspace_of(&a);
      xr_set_threads(threads);
      cr_assert(xr_linear_forward_cpu(&a) == XR_OK && xr_linear_backward_cpu(&a) == XR_OK, "%s", xr_message());
      for (int i = 0; i < 6; i++) {
        const size_t bytes = (size_t)sizes[i] * xr_dtype_bytes(types[i]);
        cr_assert_arr_eq(r[i], results[0][i], bytes, "result %d, %s, %d threads", i, xr_dtype_name(dtype), threads);
      }
      xr_block_free(a.workspace);
    }
    for (int i = 0; i < 18; i++) xr_block_free(results[i / 6][i % 6]);
    xr_block_free(x);
    xr_block_free(weight);
    xr_block_free(dy);
    xr_block_free(bias);
  }
}

Test(linear, no_rows_give_gradients_of_zero) {
  float weight[6] = {1, 2, 3, 4, 5, 6}, dweight[6], dbias[3];
  memset(dweight, 0xff, sizeof dweight);
  xr_linear a = {.rows = 0, .in = 2, .out = 3, .weight = weight, .dweight = dweight, .dbias = dbias};
  a.workspace = workspace_of(&a);
  cr_assert(xr_linear_forward_cpu(&a) == XR_OK && xr_linear_backward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int i = 0; i < 6; i++) cr_assert_eq(dweight[i], 0);
  for (int i = 0; i < 3; i++) cr_assert_eq(dbias[i], 0);
  xr_block_free(a.workspace);
}

Test(linear, bad_arguments_are_refused) {
  float x[4] = {0};
  xr_linear a = {.rows = 2, .in = 2, .out = 0, .x = x, .weight = x, .y = x};
  cr_assert_eq(xr_linear_forward_cpu(&a), XR_BAD_SHAPE);
  a.out = 2;
  a.y_dtype = XR_BF16;
  cr_assert_eq(xr_linear_forward_cpu(&a), XR_UNSUPPORTED);
  a.y_dtype = XR_F32;
  a.activation = XR_ACTIVATION_GELU;
  a.dy = x;
  cr_assert_eq(xr_linear_backward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "dpre"), "%s", xr_message());
  a.dpre = x;
  cr_assert_eq(xr_linear_backward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "pre: the activation's input"), "%s", xr_message());
  a.pre = x;
  a.dtype = XR_BF16;
  cr_assert_eq(xr_linear_backward_cpu(&a), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "share"), "%s", xr_message());
}
