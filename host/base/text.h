/* Numbers as people read them. */
#pragma once

#include <stdint.h>

enum { XR_GROUPED_TEXT = 28 };

/* "68,126" into text[XR_GROUPED_TEXT], whatever the locale; returns text. */
const char *xr_grouped(char *text, int64_t number);
