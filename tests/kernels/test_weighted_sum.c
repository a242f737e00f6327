#include "kernels/loss/weighted_sum.h"
#include "tests/support/kernel.h"

/* The numbers are multiples of powers of two: every result is exact. */
Test(weighted_sum, total_and_gradients) {
  const float first = 3, second = -1.5f, third = 8, dtotal = 2;
  float total, dfirst = 5, dthird = 5;
  xr_weighted_sum a = {.terms = 3,
                       .weight = {1, 0.5f, 0.125f},
                       .loss = {&first, &second, &third},
                       .total = &total,
                       .dtotal = &dtotal,
                       .dloss = {&dfirst, NULL, &dthird},
                       .accumulate_dloss = {true, false, false}};
  cr_assert_eq(xr_weighted_sum_forward_cpu(&a), XR_OK);
  cr_assert_eq(total, 3.25f);
  cr_assert_eq(xr_weighted_sum_backward_cpu(&a), XR_OK);
  cr_assert_eq(dfirst, 7);
  cr_assert_eq(dthird, 0.25f);
}

Test(weighted_sum, the_number_of_terms_is_checked) {
  const xr_weighted_sum none = {.terms = 0}, many = {.terms = XR_MAX_LOSSES + 1};
  cr_assert_eq(xr_weighted_sum_forward_cpu(&none), XR_BAD_ARGUMENT);
  cr_assert_eq(xr_weighted_sum_backward_cpu(&many), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "17 terms, 1 to 16"), "%s", xr_message());
}
