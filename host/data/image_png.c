#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "host/base/memory.h"
#include "host/data/image_formats.h"

typedef struct {
  png_structp png;
  png_infop info;
  const uint8_t *next;
  size_t left;
  uint8_t *raw; /* one row; of an interlaced file all rows */
  xr_status status;
} png_reader;

static void fail(png_structp png, png_const_charp text) {
  png_reader *reader = png_get_error_ptr(png);
  if (reader->status == XR_OK) reader->status = xr_fail(XR_BAD_INPUT, "%s", text);
  png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void take(png_structp png, png_bytep out, size_t bytes) {
  png_reader *reader = png_get_io_ptr(png);
  if (bytes > reader->left) png_error(png, "the file is cut off");
  memcpy(out, reader->next, bytes);
  reader->next += bytes;
  reader->left -= bytes;
}

/* How stored samples become RGB: through a table of colours (palettes and grey of up to 8 bits), by the high bytes, or clipped. */
typedef struct {
  int channels, sample_bytes;
  bool clip;
  bool lookup;
  uint8_t colour[256][3];
} png_layout;

static void find_layout(const png_reader *reader, png_layout *layout) {
  int depth = png_get_bit_depth(reader->png, reader->info), type = png_get_color_type(reader->png, reader->info);
  memset(layout, 0, sizeof *layout);
  layout->channels = png_get_channels(reader->png, reader->info);
  layout->sample_bytes = depth == 16 ? 2 : 1;
  layout->clip = type == PNG_COLOR_TYPE_GRAY && depth == 16;
  layout->lookup = layout->channels == 1 && depth <= 8;
  if (type == PNG_COLOR_TYPE_PALETTE) {
    png_colorp palette = NULL;
    int count = 0;
    png_get_PLTE(reader->png, reader->info, &palette, &count);
    for (int i = 0; i < count && i < 256; i++) memcpy(layout->colour[i], (uint8_t[]){palette[i].red, palette[i].green, palette[i].blue}, 3);
  } else if (layout->lookup) {
    int top = (1 << depth) - 1;
    for (int i = 0; i <= top; i++) memset(layout->colour[i], i * 255 / top, 3);
  }
}

static void convert_row(const png_layout *layout, const uint8_t *in, int width, uint8_t *out) {
  int step = layout->channels * layout->sample_bytes;
  if (layout->lookup) {
    for (int x = 0; x < width; x++) memcpy(out + 3 * x, layout->colour[in[x]], 3);
  } else if (layout->clip) {
    for (int x = 0; x < width; x++) memset(out + 3 * x, in[2 * x] ? 255 : in[2 * x + 1], 3);
  } else if (layout->channels < 3) {
    for (int x = 0; x < width; x++) memset(out + 3 * x, in[step * x], 3);
  } else {
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++) out[3 * x + c] = in[step * x + c * layout->sample_bytes];
  }
}

static xr_status read_picture(png_reader *reader, xr_image *image, png_layout *layout) {
  png_structp png = reader->png;
  if (setjmp(png_jmpbuf(png))) return reader->status;
  png_set_read_fn(png, reader, take);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);         /* xr_image_alloc has the limits, and better words */
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1); /* only the chunks that make pixels */
  png_set_check_for_invalid_index(png, 0);
  png_read_info(png, reader->info);
  XR_TRY(xr_image_alloc(image, png_get_image_width(png, reader->info), png_get_image_height(png, reader->info)));
  find_layout(reader, layout);
  png_set_packing(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, reader->info);
  size_t row_bytes = png_get_rowbytes(png, reader->info), step = passes > 1 ? row_bytes : 0;
  reader->raw = xr_block_alloc(passes > 1 ? row_bytes * (size_t)image->height : row_bytes);
  if (!reader->raw) return XR_NO_MEMORY;
  for (int pass = 0; pass < passes; pass++)
    for (int y = 0; y < image->height; y++) {
      uint8_t *row = reader->raw + (size_t)y * step;
      png_read_row(png, row, NULL);
      if (pass == passes - 1) convert_row(layout, row, image->width, image->pixels + (size_t)y * (size_t)image->width * 3);
    }
  return XR_OK;
}

xr_status xr_png_decode(xr_image *image, const uint8_t *bytes, size_t size, xr_image_options options, bool *truncated) {
  (void)options, (void)truncated; /* a PNG that is cut off is an error in any case */
  png_layout layout;
  png_reader reader = {.next = bytes, .left = size, .status = XR_OK};
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, fail, ignore);
  reader.info = reader.png ? png_create_info_struct(reader.png) : NULL;
  xr_status status = reader.info ? read_picture(&reader, image, &layout) : xr_fail(XR_NO_MEMORY, "out of memory");
  png_destroy_read_struct(&reader.png, &reader.info, NULL);
  xr_block_free(reader.raw);
  return status;
}
