#include "host/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *xr_grouped(char *text, int64_t number) {
  char plain[XR_GROUPED_TEXT];
  const char *digits = plain;
  char *end = text;
  snprintf(plain, sizeof plain, "%" PRId64, number);
  if (*digits == '-') *end++ = *digits++;
  for (size_t left = strlen(digits); left; left--) {
    *end++ = *digits++;
    if (left > 1 && left % 3 == 1) *end++ = ',';
  }
  *end = '\0';
  return text;
}
