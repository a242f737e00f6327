/* A folder for files that nobody keeps, in $TMPDIR or /tmp. */
#pragma once

#include "host/base/status.h"

xr_status xr_make_temporary_folder(char *path);    /* path[XR_PATH_MAX]; "" on failure */
void xr_remove_temporary_folder(const char *path); /* with the files in it */
