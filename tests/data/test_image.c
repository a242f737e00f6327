#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/data/image.h"
#include "host/data/image_write.h"
#include "tests/support/golden.h"

static const xr_image_options strict = {0}, lenient = {.allow_truncated = true};

static void golden_path(char *path, const char *file) { snprintf(path, XR_PATH_MAX, "%s/golden/images/%s", XREID_TEST_FOLDER, file); }

static void expect_pixels(const char *what, const xr_stored_tensor *expected, int width, int height, const uint8_t *pixels) {
  cr_assert(expected->rank == 3 && expected->dim[0] == height && expected->dim[1] == width && expected->dtype == XR_U8,
            "%s: %d x %d pixels instead of %d x %d", what, width, height, (int)expected->dim[1], (int)expected->dim[0]);
  const uint8_t *wanted = expected->data;
  for (size_t i = 0; i < expected->bytes; i++)
    cr_assert(pixels[i] == wanted[i], "%s: pixel (%zu, %zu) channel %zu is %d instead of %d", what, i / 3 % (size_t)width,
              i / 3 / (size_t)width, i % 3, pixels[i], wanted[i]);
}

/* Calls `visit` for every tensor whose name begins with `prefix`; returns how many there were. */
static int for_each_golden(const xr_golden *g, const char *prefix,
                           void (*visit)(const xr_golden *, const xr_stored_tensor *, const char *rest)) {
  int count = 0;
  for (size_t i = 0; i < xr_safetensors_count(g->file); i++) {
    const xr_stored_tensor *tensor = xr_safetensors_at(g->file, i);
    if (strncmp(tensor->name, prefix, strlen(prefix)) != 0) continue;
    visit(g, tensor, tensor->name + strlen(prefix));
    count++;
  }
  return count;
}

static void decode_one(const xr_golden *g, const xr_stored_tensor *expected, const char *file) {
  (void)g;
  char path[XR_PATH_MAX];
  golden_path(path, file);
  bool cut = strncmp(file, "cut_", 4) == 0, truncated = !cut;
  xr_image image;
  cr_assert(xr_image_load(&image, path, lenient, &truncated) == XR_OK, "%s", xr_message());
  cr_assert_eq(truncated, cut, "%s", file);
  expect_pixels(file, expected, image.width, image.height, image.pixels);
  xr_image_free(&image);
  xr_status status = xr_image_load(&image, path, strict, NULL);
  cr_assert_eq(status, cut ? XR_BAD_INPUT : XR_OK, "%s: status %d without allow_truncated", file, (int)status);
  if (cut) cr_assert(strstr(xr_message(), file) && strstr(xr_message(), "cut off"), "%s", xr_message());
  xr_image_free(&image);
}

Test(image, decodes_as_pillow) {
  xr_golden g = xr_golden_open("images");
  cr_assert_eq(for_each_golden(&g, "decode.", decode_one), 56);
  xr_golden_close(&g);
}

static xr_resize_filter filter_named(const char *name) {
  static const char *const names[XR_RESIZE_FILTERS] = {"nearest", "bilinear", "bicubic", "lanczos"};
  for (int i = 0; i < XR_RESIZE_FILTERS; i++)
    if (strcmp(name, names[i]) == 0) return (xr_resize_filter)i;
  cr_assert_fail("filter %s", name);
  return XR_RESIZE_FILTERS;
}

static void resize_one(const xr_golden *g, const xr_stored_tensor *expected, const char *what) {
  if (strcmp(what, "source") == 0) return;
  int width, height;
  char name[20];
  cr_assert_eq(sscanf(what, "%dx%d.%19s", &width, &height, name), 3);
  const xr_stored_tensor *source = xr_safetensors_find(g->file, "resize.source");
  uint8_t *pixels = malloc(source->bytes), *out = malloc(expected->bytes); /* malloc: nothing behind the end goes unnoticed */
  memcpy(pixels, source->data, source->bytes);
  xr_image in = {.width = (int)source->dim[1], .height = (int)source->dim[0], .pixels = pixels};
  bool horizontal_first = strncmp(expected->name, "resize_horizontal", 17) == 0;
  xr_resizer *resizer = xr_resizer_new(horizontal_first ? XR_RESIZE_HORIZONTAL_FIRST : XR_RESIZE_AS_PILLOW_13);
  for (int time = 0; time < 2; time++) { /* the second time with the tables of the first */
    memset(out, 0x5a, expected->bytes);
    cr_assert(xr_resizer_run(resizer, &in, width, height, filter_named(name), out) == XR_OK, "%s", xr_message());
    expect_pixels(expected->name, expected, width, height, out);
  }
  xr_resizer_free(resizer);
  free(pixels);
  free(out);
}

Test(image, resizes_as_pillow) {
  xr_golden g = xr_golden_open("images");
  cr_assert_eq(for_each_golden(&g, "resize.", resize_one), 12 * 4 + 1);
  cr_assert_eq(for_each_golden(&g, "resize_horizontal.", resize_one), 6 * 3);
  xr_golden_close(&g);
}

/* One resizer for many sizes: tables are replaced when they fall into the same place, and grow. */
Test(image, a_resizer_forgets_nothing_it_needs) {
  enum { SIDE = 40 };
  uint8_t pixels[SIDE * SIDE * 3], first[SIDE * SIDE * 3], again[SIDE * SIDE * 3];
  for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * i * 31 >> 3);
  xr_resizer *resizer = xr_resizer_new(XR_RESIZE_AS_PILLOW_13);
  for (int round = 0; round < 2; round++)
    for (int size = 1; size <= SIDE; size++) {
      xr_image in = {.width = SIDE + 1 - size, .height = size, .pixels = pixels};
      cr_assert_eq(xr_resizer_run(resizer, &in, size, SIDE, XR_RESIZE_LANCZOS, first), XR_OK);
      cr_assert_eq(xr_image_resize(&in, size, SIDE, XR_RESIZE_LANCZOS, again), XR_OK);
      cr_assert_eq(memcmp(first, again, (size_t)size * SIDE * 3), 0, "%d", size);
    }
  xr_resizer_free(resizer);
}

Test(image, refuses_impossible_sizes) {
  uint8_t pixel[3] = {0};
  xr_image in = {.width = 1, .height = 1, .pixels = pixel}, image;
  cr_assert_eq(xr_image_resize(&in, 0, 5, XR_RESIZE_BICUBIC, pixel), XR_BAD_ARGUMENT);
  cr_assert_eq(xr_image_resize(&in, 5, XR_IMAGE_MAX_SIDE + 1, XR_RESIZE_BICUBIC, pixel), XR_BAD_ARGUMENT);
  cr_assert_eq(xr_image_resize(&in, 1, 1, XR_RESIZE_FILTERS, pixel), XR_BAD_ARGUMENT);
  cr_assert_eq(xr_image_alloc(&image, 32768, 8193), XR_BAD_INPUT);
  cr_assert_eq(xr_image_alloc(&image, 0, 1), XR_BAD_INPUT);
  cr_assert_null(image.pixels);
}

static void expect_refused(const char *bytes, size_t size, xr_status status, const char *message) {
  xr_image image;
  cr_assert_eq(xr_image_decode(&image, (const uint8_t *)bytes, size, "a.png", lenient, NULL), status, "%s", xr_message());
  cr_assert(strstr(xr_message(), message) && strncmp(xr_message(), "a.png: ", 7) == 0, "%s", xr_message());
  cr_assert_null(image.pixels);
}

static void load_bytes(const char *file, char **bytes, size_t *size) {
  char path[XR_PATH_MAX];
  golden_path(path, file);
  cr_assert(xr_read_file(path, bytes, size) == XR_OK, "%s", xr_message());
}

Test(image, names_file_and_cause) {
  expect_refused("", 0, XR_BAD_INPUT, "is empty (0 bytes)");
  expect_refused("GIF89a", 6, XR_BAD_INPUT, "is not a JPEG, PNG or BMP image (6 bytes, starting with 47 49 46 38 39 61)");
  expect_refused("B", 1, XR_BAD_INPUT, "is not a JPEG, PNG or BMP image (1 bytes");
  char *bytes;
  size_t size;
  load_bytes("png_rgb_8.png", &bytes, &size);
  expect_refused(bytes, size - 40, XR_BAD_INPUT, "cannot decode this PNG file: the file is cut off");
  bytes[16] = 0x10; /* the width: the check sum is wrong now */
  expect_refused(bytes, size, XR_BAD_INPUT, "CRC error");
  free(bytes);
  load_bytes("jpeg_420.jpg", &bytes, &size);
  expect_refused(bytes, 100, XR_BAD_INPUT, "cannot decode this JPEG file: the file is cut off before the picture begins");
  for (size_t i = 0; i + 9 < size; i++)
    if ((uint8_t)bytes[i] == 0xff && (uint8_t)bytes[i + 1] == 0xc0) memcpy(bytes + i + 5, "\xff\x00\xff\x00", 4); /* height, width */
  expect_refused(bytes, size, XR_BAD_INPUT, "65280 x 65280 pixels");
  free(bytes);
  load_bytes("bmp_24.bmp", &bytes, &size);
  expect_refused(bytes, size - 1, XR_BAD_INPUT, "cannot decode this BMP file: the file is cut off");
  bytes[30] = 1; /* compression: run lengths */
  expect_refused(bytes, size, XR_UNSUPPORTED, "compression 1");
  free(bytes);
  xr_image image;
  cr_assert_eq(xr_image_load(&image, "/nonexistent/a.jpg", strict, NULL), XR_NOT_FOUND);
  cr_assert_null(image.pixels);
}

/* A decoder may refuse anything, but it must not crash, read outside the file (sanitizers tell) or hand out half an image. */
static void decode_hostile(const char *bytes, size_t size, xr_image_options options) {
  uint8_t *exact = malloc(size ? size : 1); /* a block of its own, so that nothing behind the end goes unnoticed */
  memcpy(exact, bytes, size);
  xr_image image;
  xr_status status = xr_image_decode(&image, exact, size, "hostile", options, NULL);
  if (status == XR_OK) {
    cr_assert(image.width >= 1 && image.height >= 1 && image.pixels);
    unsigned sum = 0;
    for (size_t i = 0; i < (size_t)image.width * (size_t)image.height * 3; i += 64) sum += image.pixels[i];
    cr_assert(sum < UINT32_MAX);
  } else {
    cr_assert(status == XR_BAD_INPUT || status == XR_UNSUPPORTED, "status %d: %s", (int)status, xr_message());
    cr_assert_null(image.pixels);
  }
  xr_image_free(&image);
  free(exact);
}

static void mutate_one(const xr_golden *g, const xr_stored_tensor *expected, const char *file) {
  (void)g, (void)expected;
  char *bytes;
  size_t size;
  load_bytes(file, &bytes, &size);
  for (size_t i = 0; i < size; i++) {
    decode_hostile(bytes, i, lenient);
    decode_hostile(bytes, i, strict);
    static const char flips[] = {1, 0x10, (char)0x80, (char)0xff};
    for (size_t f = 0; f < sizeof flips; f++) {
      bytes[i] = (char)(bytes[i] ^ flips[f]);
      decode_hostile(bytes, size, f % 2 ? lenient : strict);
      bytes[i] = (char)(bytes[i] ^ flips[f]);
    }
  }
  free(bytes);
}

Test(image, survives_cut_and_changed_files) {
  xr_golden g = xr_golden_open("images");
  cr_assert_gt(for_each_golden(&g, "decode.", mutate_one), 50);
  xr_golden_close(&g);
}

static void draw(uint8_t *pixels, int width, int height) {
  for (int i = 0; i < width * height; i++) {
    pixels[3 * i] = (uint8_t)(i % width * 255 / width);
    pixels[3 * i + 1] = (uint8_t)(i / width * 255 / height);
    pixels[3 * i + 2] = (uint8_t)(128 + 60 * (i / width / 8 % 2));
  }
}

Test(image, png_round_trip_is_exact) {
  enum { WIDTH = 31, HEIGHT = 17 };
  uint8_t pixels[WIDTH * HEIGHT * 3];
  draw(pixels, WIDTH, HEIGHT);
  char path[] = "/tmp/xreid-image-XXXXXX.png";
  cr_assert_geq(mkstemps(path, 4), 0);
  cr_assert_eq(xr_image_write_png(path, WIDTH, HEIGHT, pixels), XR_OK);
  xr_image image;
  cr_assert_eq(xr_image_load(&image, path, strict, NULL), XR_OK);
  cr_assert(image.width == WIDTH && image.height == HEIGHT);
  cr_assert_eq(memcmp(image.pixels, pixels, sizeof pixels), 0);
  xr_image_free(&image);
  remove(path);
}

Test(image, jpeg_round_trip_is_close_and_420) {
  enum { WIDTH = 64, HEIGHT = 48 };
  uint8_t pixels[WIDTH * HEIGHT * 3];
  draw(pixels, WIDTH, HEIGHT);
  unsigned char *bytes;
  size_t size;
  cr_assert_eq(xr_image_encode_jpeg(WIDTH, HEIGHT, pixels, 95, &bytes, &size), XR_OK);
  const unsigned char *frame = memmem(bytes, size, "\xff\xc0", 2);
  cr_assert(frame && frame[11] == 0x22 && frame[14] == 0x11 && frame[17] == 0x11, "sampling factors");
  xr_image image;
  cr_assert_eq(xr_image_decode(&image, bytes, size, "encoded", strict, NULL), XR_OK);
  int worst = 0;
  for (size_t i = 0; i < sizeof pixels; i++) {
    int error = abs(image.pixels[i] - pixels[i]);
    if (error > worst) worst = error;
  }
  cr_assert_leq(worst, 24);
  xr_image_free(&image);
  free(bytes);
}

Test(image, writing_leaves_no_half_file) {
  uint8_t pixels[3] = {1, 2, 3};
  cr_assert_eq(xr_image_write_png("/nonexistent/a.png", 1, 1, pixels), XR_IO);
  cr_assert_eq(xr_image_write_jpeg("/nonexistent/a.jpg", 1, 1, pixels, 90), XR_IO);
  cr_assert_eq(xr_image_write_jpeg("/tmp/xreid-never-written.jpg", 1, 1, pixels, 0), XR_BAD_ARGUMENT);
  cr_assert(strstr(xr_message(), "/tmp/xreid-never-written.jpg"), "%s", xr_message());
  cr_assert_eq(xr_image_write_png("/tmp/xreid-never-written.jpg", 0, 1, pixels), XR_BAD_ARGUMENT);
  cr_assert_not(xr_is_file("/tmp/xreid-never-written.jpg"));
}
