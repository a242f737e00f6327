#include "host/data/image_write.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

#include "host/base/file.h"
#include "host/data/image.h"

static xr_status check(int width, int height) {
  if (width < 1 || height < 1 || width > XR_IMAGE_MAX_SIDE || height > XR_IMAGE_MAX_SIDE)
    return xr_fail(XR_BAD_ARGUMENT, "an image of %d x %d pixels cannot be written (sides are 1 to %d)", width, height, XR_IMAGE_MAX_SIDE);
  return XR_OK;
}

/* As in image_jpeg.c and image_png.c: what is used after a longjmp lies in the caller of the function that called setjmp. */
typedef struct {
  struct jpeg_error_mgr errors;
  struct jpeg_compress_struct encoder;
  jmp_buf escape;
  unsigned char *bytes;
  unsigned long size;
  xr_status status;
} jpeg_writer;

static void jpeg_failed(j_common_ptr encoder) {
  jpeg_writer *writer = (jpeg_writer *)encoder->err;
  char text[JMSG_LENGTH_MAX];
  encoder->err->format_message(encoder, text);
  writer->status = xr_fail(XR_NO_MEMORY, "cannot encode JPEG: %s", text); /* the arguments are checked: nothing else is left */
  longjmp(writer->escape, 1);
}

static void print_nothing(j_common_ptr encoder) { (void)encoder; }

static xr_status write_jpeg(jpeg_writer *writer, int width, int height, const uint8_t *pixels, int quality) {
  struct jpeg_compress_struct *encoder = &writer->encoder;
  if (setjmp(writer->escape)) return writer->status;
  jpeg_create_compress(encoder);
  jpeg_mem_dest(encoder, &writer->bytes, &writer->size);
  encoder->image_width = (JDIMENSION)width;
  encoder->image_height = (JDIMENSION)height;
  encoder->input_components = 3;
  encoder->in_color_space = JCS_RGB;
  jpeg_set_defaults(encoder); /* YCbCr with 4:2:0 */
  jpeg_set_quality(encoder, quality, TRUE);
  jpeg_start_compress(encoder, TRUE);
  while (encoder->next_scanline < encoder->image_height) {
    JSAMPROW row = (JSAMPROW)(uintptr_t)(pixels + (size_t)encoder->next_scanline * (size_t)width * 3); /* only read, but not const */
    jpeg_write_scanlines(encoder, &row, 1);
  }
  jpeg_finish_compress(encoder);
  return XR_OK;
}

xr_status xr_image_encode_jpeg(int width, int height, const uint8_t *pixels, int quality, unsigned char **bytes, size_t *size) {
  *bytes = NULL;
  *size = 0;
  XR_TRY(check(width, height));
  if (quality < 1 || quality > 100) return xr_fail(XR_BAD_ARGUMENT, "JPEG quality is 1 to 100, not %d", quality);
  jpeg_writer writer = {.bytes = NULL};
  writer.encoder.err = jpeg_std_error(&writer.errors);
  writer.errors.error_exit = jpeg_failed;
  writer.errors.output_message = print_nothing;
  xr_status status = write_jpeg(&writer, width, height, pixels, quality);
  if (status != XR_OK && writer.encoder.dest) writer.encoder.dest->term_destination(&writer.encoder); /* gives the buffer out */
  jpeg_destroy_compress(&writer.encoder);
  if (status != XR_OK) {
    free(writer.bytes);
    return status;
  }
  *bytes = writer.bytes;
  *size = writer.size;
  return XR_OK;
}

typedef struct {
  png_structp png;
  png_infop info;
  unsigned char *bytes;
  size_t size, room;
  xr_status status;
} png_writer;

static void png_failed(png_structp png, png_const_charp text) {
  png_writer *writer = png_get_error_ptr(png);
  writer->status = xr_fail(XR_NO_MEMORY, "cannot encode PNG: %s", text);
  png_longjmp(png, 1);
}

static void png_warned(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void png_put(png_structp png, png_bytep from, size_t count) {
  png_writer *writer = png_get_io_ptr(png);
  if (writer->room - writer->size < count) {
    size_t room = 2 * writer->room + count + 4096;
    unsigned char *larger = realloc(writer->bytes, room);
    if (!larger) png_error(png, "out of memory");
    writer->bytes = larger;
    writer->room = room;
  }
  memcpy(writer->bytes + writer->size, from, count);
  writer->size += count;
}

static void png_flush_nothing(png_structp png) { (void)png; }

static xr_status write_png(png_writer *writer, int width, int height, int channels, const uint8_t *pixels) {
  png_structp png = writer->png;
  if (setjmp(png_jmpbuf(png))) return writer->status;
  png_set_write_fn(png, writer, png_put, png_flush_nothing);
  png_set_IHDR(png, writer->info, (png_uint_32)width, (png_uint_32)height, 8, channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, writer->info);
  for (int y = 0; y < height; y++) png_write_row(png, pixels + (size_t)y * (size_t)width * (size_t)channels);
  png_write_end(png, writer->info);
  return XR_OK;
}

static xr_status encode_png(int width, int height, int channels, const uint8_t *pixels, unsigned char **bytes, size_t *size) {
  *bytes = NULL;
  *size = 0;
  XR_TRY(check(width, height));
  png_writer writer = {.status = XR_OK};
  writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer, png_failed, png_warned);
  writer.info = writer.png ? png_create_info_struct(writer.png) : NULL;
  xr_status status = writer.info ? write_png(&writer, width, height, channels, pixels) : xr_fail(XR_NO_MEMORY, "out of memory");
  png_destroy_write_struct(&writer.png, &writer.info);
  if (status != XR_OK) {
    free(writer.bytes);
    return status;
  }
  *bytes = writer.bytes;
  *size = writer.size;
  return XR_OK;
}

xr_status xr_image_encode_png(int width, int height, const uint8_t *pixels, unsigned char **bytes, size_t *size) {
  return encode_png(width, height, 3, pixels, bytes, size);
}

static xr_status write_and_free(const char *path, xr_status status, unsigned char *bytes, size_t size) {
  if (status == XR_OK)
    status = xr_write_file(path, bytes, size);
  else
    status = xr_fail_in(status, "%s", path);
  free(bytes);
  return status;
}

xr_status xr_image_write_jpeg(const char *path, int width, int height, const uint8_t *pixels, int quality) {
  unsigned char *bytes;
  size_t size;
  xr_status status = xr_image_encode_jpeg(width, height, pixels, quality, &bytes, &size);
  return write_and_free(path, status, bytes, size);
}

xr_status xr_image_write_png(const char *path, int width, int height, const uint8_t *pixels) {
  unsigned char *bytes;
  size_t size;
  xr_status status = xr_image_encode_png(width, height, pixels, &bytes, &size);
  return write_and_free(path, status, bytes, size);
}

xr_status xr_image_write_grey_png(const char *path, int width, int height, const uint8_t *values) {
  unsigned char *bytes;
  size_t size;
  xr_status status = encode_png(width, height, 1, values, &bytes, &size);
  return write_and_free(path, status, bytes, size);
}
