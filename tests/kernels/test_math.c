#include <math.h>

#include "kernels/common/math.h"
#include "tests/support/kernel.h"

/* Distance in units of the last place of the f32 nearest to `truth`. */
static double ulps(float got, double truth) {
  int exponent;
  frexp(truth, &exponent);
  const double unit = ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
  return fabs((double)got - truth) / unit;
}

Test(math, exp_is_good_to_2_ulp_everywhere) {
  double worst = 0;
  float where = 0;
  /* every 251st float from -104 to the last x with a finite result */
  for (int sign = 0; sign < 2; sign++) {
    for (uint32_t bits = 0; bits < 0x42d00000u; bits += 251) {
      const float x = sign ? -xr_float_of_bits(bits) : xr_float_of_bits(bits);
      if (x > 88.72283f) break;
      const double error = ulps(xr_exp(x), exp((double)x));
      if (!(error <= worst)) {
        worst = error;
        where = x;
      }
    }
  }
  cr_assert(worst <= 2, "xr_exp(%a) is %.3f ulp off", (double)where, worst);
}

Test(math, exp_of_special_numbers) {
  cr_assert_eq(xr_exp(0), 1);
  cr_assert_eq(xr_exp(-0.0f), 1);
  cr_assert_eq(xr_exp(-INFINITY), 0);
  cr_assert_eq(xr_exp(-1e30f), 0);
  cr_assert_eq(xr_exp(-105), 0);
  cr_assert_eq(xr_exp(INFINITY), INFINITY);
  cr_assert_eq(xr_exp(89), INFINITY);
  cr_assert_eq(xr_exp(1e30f), INFINITY);
  cr_assert(isnan(xr_exp(NAN)));
}
