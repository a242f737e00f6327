/* What the report and the contact sheet have in common: small pictures and clean text. */
#pragma once

#include <stddef.h>

#include "host/data/image.h"

/* The image at `path`, shrunk or enlarged to fit into max_width x max_height with its proportions. Where it cannot be read a warning
 * tells why and the thumbnail has no pixels (all zero). Only XR_NO_MEMORY fails. */
xr_status xr_thumbnail_load(xr_image *thumbnail, const char *path, int max_width, int max_height);

/* A copy of `text` (free it) that is valid UTF-8: what is none becomes U+FFFD, control characters blanks. NULL: no memory. */
char *xr_display_text(const char *text);
