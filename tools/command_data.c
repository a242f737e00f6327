/* xreid data ACTION: looks into data sets and pictures. One function an action; the table is at the end. */
#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/data/image.h"
#include "host/io/npy.h"
#include "tools/commands.h"
#include "tools/data_actions.h"
#include "tools/options.h"

/* ---- xreid data image */

static const xr_command_text image_text = {
    .name = "data image",
    .usage = "FILE [--resize HxW [--filter NAME]] --out U8.npy",
    .summary =
        "Decodes a JPEG, PNG or BMP picture to RGB, resizes it if asked to, and writes uint8 [H, W, 3]: the bytes that Pillow gives.",
    .example = "  xreid data image person.jpg --out person.npy\n"
               "  xreid data image person.jpg --resize 384x128 --filter bicubic --out person.npy"};

/* The place of `name` among `names`, or -1. */
static int find_name(const char *name, const char *const *names, int count) {
  for (int i = 0; i < count; i++)
    if (strcmp(name, names[i]) == 0) return i;
  return -1;
}

static bool parse_size(const char *text, int *height, int *width) {
  char rest;
  return sscanf(text, "%6dx%6d%c", height, width, &rest) == 2 && *height >= 1 && *width >= 1 && *height <= XR_IMAGE_MAX_SIDE &&
         *width <= XR_IMAGE_MAX_SIDE;
}

/* Replaces *image by its resized form. */
static xr_status resize_in_place(xr_image *image, int width, int height, xr_resize_filter filter, xr_resize_order order) {
  xr_image resized;
  XR_TRY(xr_image_alloc(&resized, width, height));
  xr_resizer *resizer = xr_resizer_new(order);
  xr_status status = resizer ? xr_resizer_run(resizer, image, width, height, filter, resized.pixels) : XR_NO_MEMORY;
  xr_resizer_free(resizer);
  xr_image_free(status == XR_OK ? image : &resized);
  if (status == XR_OK) *image = resized;
  return status;
}

static int data_image(int argc, char **argv) {
  static const char *const filters[XR_RESIZE_FILTERS] = {"nearest", "bilinear", "bicubic", "lanczos"};
  static const char *const orders[] = {"pillow-13", "horizontal"}; /* as in xr_resize_order */
  const char *size = NULL, *filter_name = NULL, *order_name = orders[0], *out = NULL;
  bool allow_truncated = false;
  const xr_option options[] = {
      {.name = "out", .kind = XR_TEXT, .value = &out, .argument = "U8.npy", .help = "where the pixels go"},
      {.name = "resize", .kind = XR_TEXT, .value = &size, .argument = "HxW", .help = "height and width to resize to"},
      {.name = "filter",
       .kind = XR_TEXT,
       .value = &filter_name,
       .argument = "NAME",
       .help = "bilinear (default), bicubic, lanczos or nearest"},
      {.name = "pass-order",
       .kind = XR_TEXT,
       .value = &order_name,
       .argument = "NAME",
       .help = "pillow-13 (default), or horizontal: that pass always first, as in older Pillow"},
      {.name = "allow-truncated", .kind = XR_FLAG, .value = &allow_truncated, .help = "grey for what is missing of a JPEG that is cut off"},
  };
  int positional, wrong = xr_parse_options(&image_text, options, sizeof options / sizeof *options, argc, argv, &positional);
  if (wrong >= 0) return wrong;
  if (positional != 1) return xr_usage_error(&image_text, "takes one FILE, not %d", positional);
  if (!out) return xr_usage_error(&image_text, "--out is missing");
  if (filter_name && !size) return xr_usage_error(&image_text, "--filter says how to --resize, which is missing");
  int height = 0, width = 0;
  if (size && !parse_size(size, &height, &width))
    return xr_usage_error(&image_text, "--resize takes HEIGHTxWIDTH of 1 to %d, like 384x128, not '%s'", XR_IMAGE_MAX_SIDE, size);
  int filter = filter_name ? find_name(filter_name, filters, XR_RESIZE_FILTERS) : XR_RESIZE_BILINEAR,
      order = find_name(order_name, orders, 2);
  if (filter < 0) return xr_usage_error(&image_text, "--filter takes bilinear, bicubic, lanczos or nearest, not '%s'", filter_name);
  if (order < 0) return xr_usage_error(&image_text, "--pass-order takes pillow-13 or horizontal, not '%s'", order_name);

  const char *file = argv[0];
  xr_image image;
  bool truncated;
  xr_status status = xr_image_load(&image, file, (xr_image_options){.allow_truncated = allow_truncated}, &truncated);
  if (status == XR_OK && truncated) xr_warn("%s: is cut off; what is missing is grey", file);
  if (status == XR_OK && size) status = resize_in_place(&image, width, height, (xr_resize_filter)filter, (xr_resize_order)order);
  if (status == XR_OK) status = xr_npy_write(out, XR_U8, 3, (int64_t[]){image.height, image.width, 3}, image.pixels);
  xr_image_free(&image);
  return status == XR_OK ? XR_EXIT_DONE : xr_command_failed();
}

/* ---- the actions */

static const struct {
  const char *name;
  int (*run)(int argc, char **argv); /* argv[0] is the action's name */
  const char *summary;
} actions[] = {
    {"check", xr_data_check, "count what a data set holds and look for what is missing"},
    {"list", xr_data_list, "write a split, one JSON object a line"},
    {"image", data_image, "decode and resize one picture"},
};
enum { ACTIONS = sizeof actions / sizeof *actions };

static void print_actions(FILE *out) {
  fputs("usage: xreid data ACTION ... (xreid data ACTION --help tells more)\n\n", out);
  for (int i = 0; i < ACTIONS; i++) fprintf(out, "  %-10s %s\n", actions[i].name, actions[i].summary);
  fputs("\nexample:\n  xreid data check cuhk-pedes /data/CUHK-PEDES\n  xreid data image person.jpg --resize 384x128 --out person.npy\n",
        out);
}

int xr_command_data(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  for (int i = 0; i < ACTIONS; i++)
    if (strcmp(name, actions[i].name) == 0) return actions[i].run(argc - 1, argv + 1);
  bool help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
  if (*name && !help) fprintf(stderr, "xreid data: there is no action '%s'\n\n", name);
  print_actions(help ? stdout : stderr);
  return help ? XR_EXIT_DONE : XR_EXIT_USAGE;
}
