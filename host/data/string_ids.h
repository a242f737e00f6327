/* Numbers for strings: equal strings get equal numbers, 0, 1, 2, ... in the order in which they were first seen. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "host/base/memory.h"
#include "host/base/status.h"

typedef struct {
  xr_arena *arena;   /* holds the strings; the caller's */
  const char **text; /* [count] */
  size_t count, room;
  int32_t *slot; /* hash table of numbers, -1: free */
  size_t slots;
} xr_string_ids;

/* The number of text[0..bytes) (without zero bytes), a new one if need be. */
xr_status xr_string_id(xr_string_ids *ids, const char *text, size_t bytes, int32_t *id);

/* -1: not seen so far. */
int32_t xr_string_find(const xr_string_ids *ids, const char *text, size_t bytes);

void xr_string_ids_free(xr_string_ids *ids); /* all but the strings */
