/* Pictures to files: baseline JPEG (4:2:0, the standard tables) and PNG (8-bit RGB). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

/* pixels: RGB, [height, width, 3]; sides of 1 to XR_IMAGE_MAX_SIDE; quality: 1 to 100 (libjpeg's scale).
 * The file appears under `path` whole or not at all. */
xr_status xr_image_write_jpeg(const char *path, int width, int height, const uint8_t *pixels, int quality);
xr_status xr_image_write_png(const char *path, int width, int height, const uint8_t *pixels);
/* values: [height, width], one grey channel: part masks. */
xr_status xr_image_write_grey_png(const char *path, int width, int height, const uint8_t *values);

/* The same bytes in memory (malloc; the caller frees them). On failure *bytes is NULL and *size 0. */
xr_status xr_image_encode_jpeg(int width, int height, const uint8_t *pixels, int quality, unsigned char **bytes, size_t *size);
xr_status xr_image_encode_png(int width, int height, const uint8_t *pixels, unsigned char **bytes, size_t *size);
