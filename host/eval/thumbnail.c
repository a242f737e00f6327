#include "host/eval/thumbnail.h"

#include <string.h>

#include "host/base/log.h"
#include "host/data/text_points.h"

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

char *xr_display_text(const char *text) {
  xr_points points = {0};
  xr_points_from_utf8(&points, text, strlen(text));
  for (size_t i = 0; i < points.count; i++)
    if (points.at[i] < 0x20 || (points.at[i] >= 0x7f && points.at[i] < 0xa0)) points.at[i] = ' ';
  char *clean = xr_points_status(&points) == XR_OK ? xr_points_to_utf8(&points, &(size_t){0}) : NULL;
  xr_points_free(&points);
  return clean;
}
