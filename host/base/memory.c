#include "host/base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, CHUNK_BYTES = 64 * 1024 };

typedef struct chunk {
  struct chunk *next;
  size_t used, size;
} chunk;

struct xr_arena {
  chunk *chunks;
};

static size_t round_up(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

void *xr_block_alloc(size_t bytes) {
  void *block = bytes > SIZE_MAX - ALIGNMENT ? NULL : aligned_alloc(ALIGNMENT, round_up(bytes ? bytes : 1));
  if (!block) xr_fail(XR_NO_MEMORY, "out of memory: %.1f MiB asked for", (double)bytes / 1048576.0);
  return block;
}

void xr_block_free(void *block) { free(block); }

xr_arena *xr_arena_new(void) {
  xr_arena *arena = calloc(1, sizeof *arena);
  if (!arena) xr_fail(XR_NO_MEMORY, "out of memory");
  return arena;
}

void xr_arena_free(xr_arena *arena) {
  if (!arena) return;
  for (chunk *c = arena->chunks, *next; c; c = next) {
    next = c->next;
    free(c);
  }
  free(arena);
}

void *xr_arena_alloc(xr_arena *arena, size_t bytes) {
  size_t head = round_up(sizeof(chunk)), need = round_up(bytes ? bytes : 1);
  chunk *c = arena->chunks;
  if (!c || c->size - c->used < need) {
    size_t size = head + (need > CHUNK_BYTES ? need : CHUNK_BYTES);
    c = xr_block_alloc(size);
    if (!c) return NULL;
    *c = (chunk){.next = arena->chunks, .used = head, .size = size};
    arena->chunks = c;
  }
  void *piece = (char *)c + c->used;
  c->used += need;
  return memset(piece, 0, need);
}

char *xr_arena_copy(xr_arena *arena, const char *text) {
  size_t bytes = strlen(text) + 1;
  char *copy = xr_arena_alloc(arena, bytes);
  return copy ? memcpy(copy, text, bytes) : NULL;
}

char *xr_arena_format(xr_arena *arena, const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = length < 0 ? NULL : xr_arena_alloc(arena, (size_t)length + 1);
  if (text) vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

xr_status xr_grow(void **items, size_t *capacity, size_t count, size_t bytes) {
  if (count < *capacity) return XR_OK;
  size_t wanted = *capacity ? *capacity * 2 : 16;
  void *larger = realloc(*items, wanted * bytes);
  if (!larger) return xr_fail(XR_NO_MEMORY, "out of memory: a list of %zu entries", wanted);
  *items = larger;
  *capacity = wanted;
  return XR_OK;
}
