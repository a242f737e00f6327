/* Messages to people: stderr, and a log file when one is set. Results never go through here. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

typedef enum { XR_LOG_QUIET, XR_LOG_WARNING, XR_LOG_INFO, XR_LOG_DEBUG } xr_log_level;

extern xr_log_level xr_log_threshold; /* the library's one global; default XR_LOG_INFO */

/* Also writes every message to `file` (NULL: no longer). The caller closes it. */
void xr_log_to(FILE *file);

void xr_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void xr_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void xr_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One line that overwrites itself on a terminal; printed as ordinary lines elsewhere when `keep` is set, else dropped.
 * The next message of another kind starts on a line of its own. */
void xr_progress(bool keep, const char *format, ...) __attribute__((format(printf, 2, 3)));
