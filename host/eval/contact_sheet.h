/* A PNG for the eye: one row per query, its caption above, the images found from left to right. A green frame and a tick mark an image
 * of the query's identity, a red frame and a cross another one; grey frames carry no mark. */
#pragma once

#include "host/base/status.h"
#include "host/eval/ranked.h"

/* Appears under `path` whole or not at all. XR_BAD_ARGUMENT: no rows, or more than fit into a picture of 32,767 pixels a side (about 120
 * rows, 290 images a row). */
xr_status xr_contact_sheet_write(const char *path, const xr_ranked_example *examples, size_t count);
