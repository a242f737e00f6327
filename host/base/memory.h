/* Memory owned by arenas: a graph, a batch or a run takes pieces from one arena and frees them all at once. */
#pragma once

#include <stddef.h>

#include "host/base/status.h"

typedef struct xr_arena xr_arena;

/* NULL (and a message) when there is no memory. */
xr_arena *xr_arena_new(void);
void xr_arena_free(xr_arena *arena); /* NULL is allowed */

/* Zeroed, aligned to 64 bytes. NULL (and a message) when there is no memory. */
void *xr_arena_alloc(xr_arena *arena, size_t bytes);
char *xr_arena_copy(xr_arena *arena, const char *text);
char *xr_arena_format(xr_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define XR_NEW(arena, type) ((type *)xr_arena_alloc((arena), sizeof(type)))
#define XR_NEW_ARRAY(arena, type, count) ((type *)xr_arena_alloc((arena), (size_t)(count) * sizeof(type)))

/* Large blocks outside any arena (tensors, decoded images): aligned to 64 bytes, not zeroed. NULL and a message on failure. */
void *xr_block_alloc(size_t bytes);
void xr_block_free(void *block);

/* A list that grows: makes room for one more element of `bytes` in *items, doubling *capacity. Frees nothing on failure.
 * The list is freed with free(). */
xr_status xr_grow(void **items, size_t *capacity, size_t count, size_t bytes);
