/* Text files, plain or compressed by gzip. */
#pragma once

#include <stddef.h>

#include "host/base/status.h"

enum { XR_TEXT_FILE_MAX = 256 << 20 }; /* bytes of text that a gzip file may hold */

/* Reads `path`, decompressed when it is gzip, into a fresh block (malloc; the caller frees it) with a zero byte after the end.
 * XR_NOT_FOUND: there is no such file. XR_BAD_INPUT: it is called .gz but is none, or is damaged. */
xr_status xr_read_text_file(const char *path, char **text, size_t *bytes);
