#include <criterion/criterion.h>

#include "host/base/text.h"

Test(text, digits_in_groups_of_three) {
  static const struct {
    int64_t number;
    const char *text;
  } cases[] = {{0, "0"},
               {7, "7"},
               {999, "999"},
               {1000, "1,000"},
               {68126, "68,126"},
               {100000, "100,000"},
               {-999, "-999"},
               {-1000, "-1,000"},
               {1234567, "1,234,567"},
               {INT64_MAX, "9,223,372,036,854,775,807"},
               {INT64_MIN, "-9,223,372,036,854,775,808"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[XR_GROUPED_TEXT];
    cr_expect_str_eq(xr_grouped(text, cases[i].number), cases[i].text);
  }
}
