/* Text as an array of code points, the form in which captions are cleaned, and its way from and to UTF-8. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

/* Appending to a list that has failed does nothing, so only the end of a pass asks whether there was memory. */
typedef struct {
  uint32_t *at;
  size_t count, room;
  bool failed;
} xr_points;

void xr_points_add(xr_points *points, uint32_t point);
void xr_points_append(xr_points *points, const uint32_t *from, size_t count);
void xr_points_free(xr_points *points);
xr_status xr_points_status(const xr_points *points); /* XR_NO_MEMORY and a message when the list has failed */
bool xr_points_equal(const xr_points *a, const xr_points *b);

/* Appends the characters of UTF-8. What is not UTF-8 becomes U+FFFD, one for each maximal part of a sequence that was cut short and
 * one for each other byte (Unicode 3.9, "substitution of maximal subparts"; as Python's errors="replace"), with one exception:
 * surrogates written as three bytes each are kept, so that pairs of them can be joined later. */
void xr_points_from_utf8(xr_points *points, const char *utf8, size_t bytes);

/* Fresh UTF-8 with a zero byte at the end (malloc); a surrogate becomes U+FFFD. NULL (and a message) when there is no memory. */
char *xr_points_to_utf8(const xr_points *points, size_t *bytes);

/* Length of the UTF-8 sequence that starts at `bytes`, and its code point. 0: no valid sequence (then *bad is the length of the
 * part that one U+FFFD stands for). `surrogates`: also accept U+D800..U+DFFF. */
size_t xr_utf8_sequence(const unsigned char *bytes, size_t count, bool surrogates, uint32_t *point, size_t *bad);
