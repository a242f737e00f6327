/* Pictures from files: decoding to RGB and resizing, byte-equal to Pillow (Image.open(file).convert("RGB"), Image.resize).
 *
 * Decoding, chosen by the first bytes, not by the name:
 *   JPEG  8-bit baseline and progressive; accurate integer IDCT ("islow"), triangle ("fancy") chroma up-sampling, block smoothing of
 *         incomplete progressive files; grey is replicated; four components (CMYK, YCCK) are taken as Adobe stores them, inverted, and
 *         become 255 - K - C * (255 - K) / 255 in rounded integers. EXIF orientation is ignored.
 *   PNG   every colour type and depth, interlaced or not. Alpha and tRNS are dropped, not blended. 16-bit samples keep their high
 *         byte, except plain 16-bit grey, which is clipped at 255 (Pillow's mode I;16). Gamma and profiles are ignored.
 *   BMP   1, 4 and 8 bits with a palette, 16, 24 and 32 bits, bit fields of up to 8 bits a channel, bottom-up or top-down. No RLE.
 * Palette entries that a file does not define are black.
 *
 * Resizing (bilinear, bicubic with a = -0.5, Lanczos with three lobes): separable, the support grows with the reduction, weights in
 * 22-bit fixed point; the first pass is rounded to 8 bits; a pass whose size does not change is left out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

enum { XR_IMAGE_MAX_SIDE = 32768, XR_IMAGE_MAX_PIXELS = 1 << 28 };

typedef struct {
  int width, height;
  uint8_t *pixels; /* RGB, [height, width, 3], from xr_block_alloc */
} xr_image;

/* Room for width x height pixels, not set. XR_BAD_INPUT beyond the limits above or below 1. */
xr_status xr_image_alloc(xr_image *image, int64_t width, int64_t height);
void xr_image_free(xr_image *image); /* also an image that is all zero */

typedef struct {
  bool allow_truncated; /* a JPEG cut off inside its picture gives grey (128) for the rest, as with Pillow's LOAD_TRUNCATED_IMAGES */
} xr_image_options;

/* `name` is for messages. *truncated (NULL is allowed) tells whether a JPEG was cut off. Without allow_truncated such a file is
 * XR_BAD_INPUT, as is every other file that cannot be decoded; a kind of file that is known but not read is XR_UNSUPPORTED.
 * On failure *image is all zero. */
xr_status xr_image_decode(xr_image *image, const uint8_t *bytes, size_t size, const char *name, xr_image_options options, bool *truncated);
xr_status xr_image_load(xr_image *image, const char *path, xr_image_options options, bool *truncated);

/* Whether a file is called .jpg, .jpeg, .png or .bmp, in any case. */
bool xr_is_picture_name(const char *name);

typedef enum { XR_RESIZE_NEAREST, XR_RESIZE_BILINEAR, XR_RESIZE_BICUBIC, XR_RESIZE_LANCZOS, XR_RESIZE_FILTERS } xr_resize_filter;

/* Which pass comes first when both sides change; the result differs in a few roundings. Pillow 13 takes the vertical pass first when
 * the height shrinks, and by more than twice as many pixels as the width (a width that grows shrinks by less than none). */
typedef enum { XR_RESIZE_AS_PILLOW_13, XR_RESIZE_HORIZONTAL_FIRST /* Pillow 12 and older */ } xr_resize_order;

/* The weights of recent sizes and the room between the two passes, kept from one image to the next. One resizer serves one thread. */
typedef struct xr_resizer xr_resizer;
xr_resizer *xr_resizer_new(xr_resize_order order); /* NULL and a message when there is no memory */
void xr_resizer_free(xr_resizer *resizer);

/* out: [height, width, 3], not the memory of `in`. */
xr_status xr_resizer_run(xr_resizer *resizer, const xr_image *in, int width, int height, xr_resize_filter filter, uint8_t *out);

/* The same with a resizer of its own, in Pillow 13's order: for single images. */
xr_status xr_image_resize(const xr_image *in, int width, int height, xr_resize_filter filter, uint8_t *out);
