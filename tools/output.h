/* Where a command writes what --json and its like ask for. */
#pragma once

#include <stdbool.h>

#include "host/base/status.h"

bool xr_is_standard_output(const char *name); /* is it "-"? NULL is not */

/* The text into the file, which appears whole or not at all, or to standard output, ended by a line break. NULL as text hands on a
 * failure to make it. */
xr_status xr_write_output(const char *name, const char *text);
