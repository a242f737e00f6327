#include "host/data/text_points.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(xr_points *points, size_t more) {
  if (points->failed) return false;
  if (more <= points->room - points->count) return true;
  size_t room = points->room + more > 2 * points->room ? points->room + more : 2 * points->room;
  uint32_t *at = realloc(points->at, room * sizeof *at);
  if (!at) {
    points->failed = true;
    return false;
  }
  points->at = at;
  points->room = room;
  return true;
}

void xr_points_add(xr_points *points, uint32_t point) {
  if (points->count == points->room && !make_room(points, 64)) return;
  points->at[points->count++] = point;
}

void xr_points_append(xr_points *points, const uint32_t *from, size_t count) {
  if (!count || !make_room(points, count)) return;
  memcpy(points->at + points->count, from, count * sizeof *from);
  points->count += count;
}

void xr_points_free(xr_points *points) {
  free(points->at);
  *points = (xr_points){0};
}

xr_status xr_points_status(const xr_points *points) {
  return points->failed ? xr_fail(XR_NO_MEMORY, "out of memory for a text of %zu characters", points->count) : XR_OK;
}

bool xr_points_equal(const xr_points *a, const xr_points *b) {
  return a->count == b->count && (a->count == 0 || memcmp(a->at, b->at, a->count * sizeof *a->at) == 0);
}

size_t xr_utf8_sequence(const unsigned char *bytes, size_t count, bool surrogates, uint32_t *point, size_t *bad) {
  unsigned lead = bytes[0];
  *bad = 1;
  if (lead < 0x80) {
    *point = lead;
    return 1;
  }
  size_t length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (!length) return 0;
  /* the second byte's range keeps out long forms, surrogates and what lies beyond U+10FFFF */
  unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned high = lead == 0xed && !surrogates ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  uint32_t value = lead & (0x7fu >> length);
  for (size_t i = 1; i < length; i++) {
    if (i == count || bytes[i] < low || bytes[i] > high) {
      *bad = lead == 0xed && i == 2 && bytes[1] > 0x9f ? 1 : i; /* half a surrogate is no part of anything */
      return 0;
    }
    value = value << 6 | (bytes[i] & 0x3fu);
    low = 0x80;
    high = 0xbf;
  }
  *point = value;
  return length;
}

void xr_points_from_utf8(xr_points *points, const char *utf8, size_t bytes) {
  const unsigned char *from = (const unsigned char *)utf8;
  for (size_t i = 0; i < bytes;) {
    uint32_t point = 0xfffd;
    size_t bad, length = xr_utf8_sequence(from + i, bytes - i, true, &point, &bad);
    xr_points_add(points, point);
    i += length ? length : bad;
  }
}

char *xr_points_to_utf8(const xr_points *points, size_t *bytes) {
  char *utf8 = malloc(points->count * 4 + 1), *to = utf8;
  if (!utf8) {
    xr_fail(XR_NO_MEMORY, "out of memory for a text of %zu characters", points->count);
    return NULL;
  }
  for (size_t i = 0; i < points->count; i++) {
    uint32_t p = points->at[i] >= 0xd800 && points->at[i] < 0xe000 ? 0xfffd : points->at[i];
    if (p < 0x80) {
      *to++ = (char)p;
    } else if (p < 0x800) {
      *to++ = (char)(0xc0 | p >> 6);
      *to++ = (char)(0x80 | (p & 0x3f));
    } else if (p < 0x10000) {
      *to++ = (char)(0xe0 | p >> 12);
      *to++ = (char)(0x80 | (p >> 6 & 0x3f));
      *to++ = (char)(0x80 | (p & 0x3f));
    } else {
      *to++ = (char)(0xf0 | p >> 18);
      *to++ = (char)(0x80 | (p >> 12 & 0x3f));
      *to++ = (char)(0x80 | (p >> 6 & 0x3f));
      *to++ = (char)(0x80 | (p & 0x3f));
    }
  }
  *to = '\0';
  *bytes = (size_t)(to - utf8);
  return utf8;
}
