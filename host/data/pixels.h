/* The images of a split at the network's input size: decoded, resized, and kept in memory as far as a budget allows.
 *
 * Kept images stay until the end: an epoch passes over every image, so replacing old ones by new ones would only lose hits. */
#pragma once

#include <stdbool.h>

#include "host/data/dataset.h"
#include "host/data/image.h"

typedef struct {
  int32_t width, height;
  xr_resize_filter filter;
  size_t cache_bytes;   /* decoded images that are kept; 0: none */
  bool allow_truncated; /* cut JPEGs: grey rows and one warning a file, instead of an error */
} xr_pixel_options;

typedef struct xr_pixels xr_pixels;

/* images[count] stays the caller's and must outlive the source. */
xr_status xr_pixels_open(xr_pixels **pixels, const xr_image_record *images, size_t count, const xr_pixel_options *options);
void xr_pixels_free(xr_pixels *pixels); /* NULL is allowed */

/* Image `index` into out[height, width, 3]. Any number of threads may call it, each with a resizer of its own. */
xr_status xr_pixels_read(xr_pixels *pixels, xr_resizer *resizer, size_t index, uint8_t *out);

/* How many images are kept. */
size_t xr_pixels_kept(const xr_pixels *pixels);
