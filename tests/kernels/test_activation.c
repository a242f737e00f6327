#include "kernels/activation/activation.h"

#include <criterion/criterion.h>

#include "host/base/memory.h"
#include "tests/support/golden.h"

static void run_golden(const char *name, xr_activation_kind kind, xr_dtype dtype) {
  xr_golden g = xr_golden_open("activation");
  g.name = name;
  const int64_t n = xr_golden_dim(&g, "x", 0);
  void *x = xr_golden_load(&g, "x", dtype), *dy = xr_golden_load(&g, "dy", dtype), *y = xr_poisoned(dtype, n), *dx = xr_poisoned(dtype, n);
  xr_activation a = {.kind = kind, .count = n, .dtype = dtype, .x = x, .y = y, .dy = dy, .dx = dx};
  cr_assert(xr_activation_forward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "y", y, dtype, dtype);
  cr_assert(xr_activation_backward_cpu(&a) == XR_OK, "%s", xr_message());
  xr_golden_expect(&g, "dx", dx, dtype, dtype);

  void *twice = xr_poisoned(dtype, n); /* accumulated onto itself: exactly doubled */
  memcpy(twice, dx, (size_t)n * xr_dtype_bytes(dtype));
  a.dx = twice;
  a.accumulate_dx = true;
  cr_assert(xr_activation_backward_cpu(&a) == XR_OK, "%s", xr_message());
  for (int64_t i = 0; i < n && dtype == XR_F32; i++) cr_assert_eq(((float *)twice)[i], 2 * ((float *)dx)[i]);
  for (int64_t i = 0; i < n && dtype == XR_BF16; i++) {
    const double one = (double)xr_bf16_to_f32(((xr_bf16 *)dx)[i]), two = (double)xr_bf16_to_f32(((xr_bf16 *)twice)[i]);
    cr_assert_float_eq(two, 2 * one, fabs(one) * 0x1p-6 + 1e-30);
  }
  a.accumulate_dx = false;
  a.y = x; /* in place */
  a.dx = dy;
  cr_assert(xr_activation_backward_cpu(&a) == XR_OK && xr_activation_forward_cpu(&a) == XR_OK, "%s", xr_message());
  cr_assert_arr_eq(x, y, (size_t)n * xr_dtype_bytes(dtype));
  cr_assert_arr_eq(dy, dx, (size_t)n * xr_dtype_bytes(dtype));
  void *blocks[] = {x, y, dy, dx, twice};
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) xr_block_free(blocks[i]);
  xr_golden_close(&g);
}

Test(activation, golden) {
  for (xr_dtype dtype = XR_F32; dtype <= XR_BF16; dtype++) {
    run_golden("none", XR_ACTIVATION_NONE, dtype);
    run_golden("quick_gelu", XR_ACTIVATION_QUICK_GELU, dtype);
    run_golden("gelu", XR_ACTIVATION_GELU, dtype);
    run_golden("tanh", XR_ACTIVATION_TANH, dtype);
    run_golden("logistic", XR_ACTIVATION_LOGISTIC, dtype);
  }
}

/* Distance in units of the last place of the f32 nearest to `truth`. */
static double ulps(float value, double truth) {
  int exponent;
  frexp(truth, &exponent);
  return fabs((double)value - truth) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

Test(activation, erf_is_within_two_ulp_of_the_c_library) {
  for (int i = 0; i <= 400000; i++) {
    const float z = -4.5f + (float)i * (9.0f / 400000);
    cr_assert_leq(ulps(xr_erf(z), erf((double)z)), 2, "erf(%.9g) = %.9g", (double)z, (double)xr_erf(z));
  }
  cr_assert_leq(ulps(xr_erf(1e-30f), erf((double)1e-30f)), 2);
}

Test(activation, tanh_is_within_two_ulp_of_the_c_library) {
  for (int i = 0; i <= 400000; i++) {
    const float x = -10.0f + (float)i * (20.0f / 400000);
    cr_assert_leq(ulps(xr_tanh(x), tanh((double)x)), 2, "tanh(%.9g) = %.9g", (double)x, (double)xr_tanh(x));
  }
  cr_assert_leq(ulps(xr_tanh(1e-30f), tanh((double)1e-30f)), 2);
}

Test(activation, erf_and_quick_gelu_at_their_ends) {
  cr_assert(isnan(xr_erf(NAN)));
  cr_assert_eq(xr_erf(INFINITY), 1);
  cr_assert_eq(xr_erf(-INFINITY), -1);
  cr_assert_eq(xr_quick_gelu(-1000), 0);
  cr_assert_eq(xr_quick_gelu(1000), 1000);
  cr_assert_eq(xr_quick_gelu_slope(-1000), 0);
  cr_assert(isnan(xr_tanh(NAN)) && xr_tanh(INFINITY) == 1 && xr_tanh(-INFINITY) == -1);
  cr_assert_eq(xr_tanh_slope(1000), 0);
}

Test(activation, bad_arguments_are_refused) {
  xr_activation a = {.count = -1};
  cr_assert_eq(xr_activation_forward_cpu(&a), XR_BAD_SHAPE);
  a.count = 0;
  a.dtype = XR_I32;
  cr_assert_eq(xr_activation_backward_cpu(&a), XR_UNSUPPORTED);
  a.dtype = XR_F32;
  a.kind = XR_ACTIVATIONS;
  cr_assert_eq(xr_activation_forward_cpu(&a), XR_UNSUPPORTED);
}
