/* JSON Lines: one object a line, as a run's metrics.jsonl holds them.
 *
 * A line is handed to the system in one piece and at once, so a killed run loses at most the line it was writing; a reader leaves out
 * such a torn last line, and opening the file for more lines removes it. */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

/* Appends to `path`, made when it is not there. */
typedef struct xr_json_lines xr_json_lines;
xr_status xr_json_lines_open(xr_json_lines **file, const char *path);
xr_status xr_json_lines_close(xr_json_lines *file); /* NULL is allowed */

/* One object: xr_json_begin, its members in the order they are to stand, xr_json_end. What goes wrong in between is reported by
 * xr_json_end. Numbers have 17 significant digits; NaN and infinities, which JSON lacks, become null. A key given twice keeps its
 * last value. */
void xr_json_begin(xr_json_lines *file);
void xr_json_text(xr_json_lines *file, const char *key, const char *value); /* UTF-8 */
void xr_json_integer(xr_json_lines *file, const char *key, int64_t value);
void xr_json_number(xr_json_lines *file, const char *key, double value);
void xr_json_numbers(xr_json_lines *file, const char *key, const double *values, size_t count);
xr_status xr_json_end(xr_json_lines *file);

/* All lines as one JSON array; the caller releases it with json_decref(). A file that is not there has no lines. XR_BAD_INPUT names
 * the line that is no JSON object. */
xr_status xr_json_lines_read(const char *path, json_t **lines);

/* Leaves only the lines whose number `key` is at most `last`, and those without that key, as they are: a run resumed from step S
 * calls this with ("step", S) before it opens the file, and no step stands there twice. */
xr_status xr_json_lines_keep(const char *path, const char *key, int64_t last);
