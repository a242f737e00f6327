#include "host/data/string_ids.h"

#include <stdlib.h>
#include <string.h>

static size_t hash(const char *text, size_t bytes) {
  uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
  for (size_t i = 0; i < bytes; i++) h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
  return (size_t)(h ^ h >> 29);
}

/* The slot that holds the text, or the free one where it belongs. */
static size_t slot_of(const xr_string_ids *ids, const char *text, size_t bytes) {
  size_t mask = ids->slots - 1, at = hash(text, bytes) & mask;
  for (; ids->slot[at] >= 0; at = (at + 1) & mask) {
    const char *other = ids->text[ids->slot[at]];
    if (strncmp(other, text, bytes) == 0 && other[bytes] == '\0') break;
  }
  return at;
}

static xr_status enlarge(xr_string_ids *ids) {
  size_t slots = ids->slots ? ids->slots * 2 : 1024;
  int32_t *slot = malloc(slots * sizeof *slot);
  if (!slot) return xr_fail(XR_NO_MEMORY, "out of memory for %zu strings", slots / 2);
  memset(slot, 0xff, slots * sizeof *slot);
  free(ids->slot);
  ids->slot = slot;
  ids->slots = slots;
  for (size_t i = 0; i < ids->count; i++) slot[slot_of(ids, ids->text[i], strlen(ids->text[i]))] = (int32_t)i;
  return XR_OK;
}

int32_t xr_string_find(const xr_string_ids *ids, const char *text, size_t bytes) {
  return ids->slots ? ids->slot[slot_of(ids, text, bytes)] : -1;
}

xr_status xr_string_id(xr_string_ids *ids, const char *text, size_t bytes, int32_t *id) {
  if (2 * (ids->count + 1) > ids->slots) XR_TRY(enlarge(ids));
  size_t at = slot_of(ids, text, bytes);
  if (ids->slot[at] < 0) {
    XR_TRY(xr_grow((void **)&ids->text, &ids->room, ids->count, sizeof *ids->text));
    char *copy = xr_arena_alloc(ids->arena, bytes + 1);
    if (!copy) return XR_NO_MEMORY;
    ids->text[ids->count] = memcpy(copy, text, bytes);
    ids->slot[at] = (int32_t)ids->count++;
  }
  *id = ids->slot[at];
  return XR_OK;
}

void xr_string_ids_free(xr_string_ids *ids) {
  free(ids->text);
  free(ids->slot);
  *ids = (xr_string_ids){0};
}
