#include "host/data/image.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/data/image_formats.h"

static const struct {
  const char *name;
  unsigned char magic[8];
  size_t magic_bytes;
  xr_image_decoder *decode;
} formats[] = {
    {"JPEG", {0xff, 0xd8, 0xff}, 3, xr_jpeg_decode},
    {"PNG", {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'}, 8, xr_png_decode},
    {"BMP", {'B', 'M'}, 2, xr_bmp_decode},
};
enum { FORMATS = sizeof formats / sizeof *formats };

xr_status xr_image_alloc(xr_image *image, int64_t width, int64_t height) {
  *image = (xr_image){0};
  if (width < 1 || height < 1 || width > XR_IMAGE_MAX_SIDE || height > XR_IMAGE_MAX_SIDE || width * height > XR_IMAGE_MAX_PIXELS)
    return xr_fail(XR_BAD_INPUT, "an image of %" PRId64 " x %" PRId64 " pixels (sides of 1 to %d and at most %d pixels are read)", width,
                   height, XR_IMAGE_MAX_SIDE, XR_IMAGE_MAX_PIXELS);
  uint8_t *pixels = xr_block_alloc((size_t)width * (size_t)height * 3);
  if (!pixels) return XR_NO_MEMORY;
  *image = (xr_image){.width = (int)width, .height = (int)height, .pixels = pixels};
  return XR_OK;
}

void xr_image_free(xr_image *image) {
  xr_block_free(image->pixels);
  *image = (xr_image){0};
}

static xr_status unknown_format(const uint8_t *bytes, size_t size, const char *name) {
  char first[8 * 3 + 1] = "";
  for (size_t i = 0; i < size && i < 8; i++) snprintf(first + 3 * i, 4, " %02x", bytes[i]);
  return xr_fail(XR_BAD_INPUT, "%s: is not a JPEG, PNG or BMP image (%zu bytes, starting with%s)", name, size, first);
}

xr_status xr_image_decode(xr_image *image, const uint8_t *bytes, size_t size, const char *name, xr_image_options options, bool *truncated) {
  bool cut = false;
  *image = (xr_image){0};
  if (truncated) *truncated = false;
  if (!size) return xr_fail(XR_BAD_INPUT, "%s: is empty (0 bytes)", name);
  for (int i = 0; i < FORMATS; i++) {
    if (size < formats[i].magic_bytes || memcmp(bytes, formats[i].magic, formats[i].magic_bytes) != 0) continue;
    xr_status status = formats[i].decode(image, bytes, size, options, &cut);
    if (status != XR_OK) {
      xr_image_free(image);
      return xr_fail_in(status, "%s: cannot decode this %s file", name, formats[i].name);
    }
    if (truncated) *truncated = cut;
    return XR_OK;
  }
  return unknown_format(bytes, size, name);
}

xr_status xr_image_load(xr_image *image, const char *path, xr_image_options options, bool *truncated) {
  char *bytes;
  size_t size;
  *image = (xr_image){0};
  XR_TRY(xr_read_file(path, &bytes, &size));
  xr_status status = xr_image_decode(image, (const uint8_t *)bytes, size, path, options, truncated);
  free(bytes);
  return status;
}

bool xr_is_picture_name(const char *name) {
  static const char *const endings[] = {".jpg", ".jpeg", ".png", ".bmp"};
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
    if (strcasecmp(dot, endings[i]) == 0) return true;
  return false;
}
