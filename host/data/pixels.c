#include "host/data/pixels.h"

#include <stdatomic.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"

/* What is known of one image. */
typedef struct {
  _Atomic(uint8_t *) kept;
  atomic_bool warned;
} image_state;

struct xr_pixels {
  xr_arena *arena;
  xr_pixel_options options;
  const xr_image_record *images;
  image_state *states; /* [count] */
  size_t count, image_bytes;
  atomic_size_t kept;
  size_t most_kept; /* what the budget allows */
};

xr_status xr_pixels_open(xr_pixels **pixels, const xr_image_record *images, size_t count, const xr_pixel_options *options) {
  *pixels = NULL;
  if (options->width < 1 || options->height < 1 || options->width > XR_IMAGE_MAX_SIDE || options->height > XR_IMAGE_MAX_SIDE)
    return xr_fail(XR_BAD_INPUT, "images cannot be resized to %d x %d (height x width)", options->height, options->width);
  xr_arena *arena = xr_arena_new();
  xr_pixels *p = arena ? XR_NEW(arena, xr_pixels) : NULL;
  image_state *states = p ? XR_NEW_ARRAY(arena, image_state, count) : NULL;
  if (!states) {
    xr_arena_free(arena);
    return XR_NO_MEMORY;
  }
  p->arena = arena;
  p->options = *options;
  p->images = images;
  p->states = states;
  p->count = count;
  p->image_bytes = (size_t)options->width * (size_t)options->height * 3;
  p->most_kept = options->cache_bytes / p->image_bytes;
  *pixels = p;
  return XR_OK;
}

void xr_pixels_free(xr_pixels *pixels) {
  if (!pixels) return;
  for (size_t i = 0; i < pixels->count; i++) xr_block_free(atomic_load(&pixels->states[i].kept));
  xr_arena_free(pixels->arena);
}

size_t xr_pixels_kept(const xr_pixels *pixels) { return atomic_load(&pixels->kept); }

/* Keeps a copy when the budget allows one more; memory that cannot be had is no reason to stop. */
static void keep(xr_pixels *p, image_state *state, const uint8_t *pixels) {
  if (atomic_fetch_add(&p->kept, 1) < p->most_kept) {
    uint8_t *copy = xr_block_alloc(p->image_bytes), *nothing = NULL;
    if (copy) {
      memcpy(copy, pixels, p->image_bytes);
      if (atomic_compare_exchange_strong(&state->kept, &nothing, copy)) return;
      xr_block_free(copy); /* another thread read the same image meanwhile */
    }
  }
  atomic_fetch_sub(&p->kept, 1);
}

xr_status xr_pixels_read(xr_pixels *pixels, xr_resizer *resizer, size_t index, uint8_t *out) {
  image_state *state = &pixels->states[index];
  const uint8_t *kept = atomic_load(&state->kept);
  if (kept) {
    memcpy(out, kept, pixels->image_bytes);
    return XR_OK;
  }
  const xr_pixel_options *o = &pixels->options;
  const char *path = pixels->images[index].path;
  xr_image image;
  bool truncated = false;
  XR_TRY(xr_image_load(&image, path, (xr_image_options){.allow_truncated = o->allow_truncated}, &truncated));
  if (truncated && !atomic_exchange(&state->warned, true)) xr_warn("%s: the file is cut off; the missing rows are grey", path);
  xr_status status = xr_resizer_run(resizer, &image, o->width, o->height, o->filter, out);
  xr_image_free(&image);
  if (status != XR_OK) return xr_fail_in(status, "%s", path);
  if (pixels->most_kept) keep(pixels, state, out);
  return XR_OK;
}
