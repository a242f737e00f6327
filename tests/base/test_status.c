#include <criterion/criterion.h>
#include <string.h>

#include "host/base/status.h"

Test(status, keeps_the_message_and_adds_context) {
  cr_assert_eq(xr_fail(XR_IO, "cannot read %s", "a.png"), XR_IO);
  cr_assert_str_eq(xr_message(), "cannot read a.png");
  cr_assert_eq(xr_fail_in(XR_IO, "record %d", 7), XR_IO);
  cr_assert_str_eq(xr_message(), "record 7: cannot read a.png");
}

Test(status, marks_a_message_that_was_cut) {
  char longer[6000];
  memset(longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = '\0';
  xr_fail(XR_IO, "%s", longer);
  cr_assert_eq(strlen(xr_message()), 3999);
  cr_assert_str_eq(xr_message() + 3996, "...");
}
