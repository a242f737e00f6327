#include "host/eval/thumbnail.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "host/base/log.h"

xr_status xr_thumbnail_load(xr_image *thumbnail, const char *path, int max_width, int max_height) {
  *thumbnail = (xr_image){0};
  xr_image full = {0};
  xr_status status = xr_image_load(&full, path, (xr_image_options){.allow_truncated = true}, NULL);
  if (status == XR_NO_MEMORY) return status;
  if (status != XR_OK) {
    xr_warn("shown without its picture: %s", xr_message());
    return XR_OK;
  }
  int width = max_width, height = (int)(((int64_t)full.height * max_width + full.width / 2) / full.width);
  if (height > max_height) {
    height = max_height;
    width = (int)(((int64_t)full.width * max_height + full.height / 2) / full.height);
  }
  if (width < 1) width = 1;
  if (height < 1) height = 1;
  status = xr_image_alloc(thumbnail, width, height);
  if (status == XR_OK) status = xr_image_resize(&full, width, height, XR_RESIZE_BILINEAR, thumbnail->pixels);
  if (status != XR_OK) xr_image_free(thumbnail);
  xr_image_free(&full);
  return status;
}

char *xr_clean_text(const char *text) {
  size_t left = strlen(text), used = 0;
  char *out = malloc(3 * left + 1); /* a replaced byte takes three */
  if (!out) {
    xr_fail(XR_NO_MEMORY, "out of memory for %zu bytes of text", left);
    return NULL;
  }
  while (left) {
    utf8proc_int32_t point;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)left, &point);
    if (n < 1) {
      n = 1;
      point = 0xfffd;
    }
    if (point < 0x20 || (point >= 0x7f && point < 0xa0)) point = ' ';
    used += (size_t)utf8proc_encode_char(point, (utf8proc_uint8_t *)out + used);
    text += n;
    left -= (size_t)n;
  }
  out[used] = '\0';
  return out;
}
