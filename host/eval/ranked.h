/* A query and the gallery images found for it, as the report and the contact sheet show them. Plain data: filled by whoever ranked. */
#pragma once

#include <stddef.h>

typedef enum { XR_MARK_NONE, XR_MARK_RIGHT, XR_MARK_WRONG } xr_mark; /* NONE: a search, nothing is known */

typedef struct {
  const char *path; /* a JPEG, PNG or BMP file; one that cannot be read is shown as an empty frame */
  xr_mark mark;
  double score;     /* not shown when it is NaN */
  const char *name; /* shown below, cut to the picture's width; NULL: nothing */
} xr_ranked_image;

typedef struct {
  const char *caption;     /* the query's text, or what to write above an image query */
  const char *query_image; /* path; NULL for a text query */
  const xr_ranked_image *ranked;
  size_t count; /* best first */
} xr_ranked_example;
