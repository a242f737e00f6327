/* The decoders behind xr_image_decode, one a format. Each takes a whole file, sets *image (which is all zero before) by
 * xr_image_alloc, and may leave it allocated when it fails: the caller frees it. Messages do not name the file: the caller does. */
#pragma once

#include "host/data/image.h"

typedef xr_status xr_image_decoder(xr_image *image, const uint8_t *bytes, size_t size, xr_image_options options, bool *truncated);

xr_image_decoder xr_jpeg_decode, xr_png_decode, xr_bmp_decode;
