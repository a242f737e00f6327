#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h> /* wants stdio.h */

#include <jerror.h>

#include "host/data/image_formats.h"

/* libjpeg reports errors through callbacks that must not return: they leave by longjmp. All that is used after such a leap lies here,
 * in the caller's frame of the function that called setjmp. */
typedef struct {
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_decompress_struct decoder;
  jmp_buf escape;
  bool allow_truncated, truncated;
  xr_status status;
} jpeg_reader;

static void fail(j_common_ptr decoder) {
  jpeg_reader *reader = decoder->client_data;
  char text[JMSG_LENGTH_MAX];
  decoder->err->format_message(decoder, text);
  reader->status = xr_fail(decoder->err->msg_code == JERR_OUT_OF_MEMORY ? XR_NO_MEMORY : XR_BAD_INPUT, "%s", text);
  longjmp(reader->escape, 1);
}

static void print_nothing(j_common_ptr decoder) { (void)decoder; }

/* Warnings go unnoticed, as in Pillow. */
static void ignore(j_common_ptr decoder, int level) { (void)decoder, (void)level; }

static void source_begins_or_ends(j_decompress_ptr decoder) { (void)decoder; }

/* The data is all in memory: being asked for more means that the file is cut off. It gets an end-of-image marker then, and when that
 * has not helped, nothing: libjpeg stops where it is. */
static boolean source_is_empty(j_decompress_ptr decoder) {
  static const JOCTET end[2] = {0xff, JPEG_EOI};
  jpeg_reader *reader = decoder->client_data;
  if (!reader->allow_truncated) {
    unsigned rows = decoder->image_height, done = decoder->output_scanline;
    reader->status = rows ? xr_fail(XR_BAD_INPUT, "the file is cut off; %u of %u rows can be read", done, rows)
                          : xr_fail(XR_BAD_INPUT, "the file is cut off before the picture begins");
    longjmp(reader->escape, 1);
  }
  if (reader->truncated) return FALSE;
  reader->truncated = true;
  decoder->src->next_input_byte = end;
  decoder->src->bytes_in_buffer = sizeof end;
  return TRUE;
}

static void source_skips(j_decompress_ptr decoder, long bytes) {
  struct jpeg_source_mgr *source = decoder->src;
  size_t skipped = bytes < 0 ? 0 : (size_t)bytes < source->bytes_in_buffer ? (size_t)bytes : source->bytes_in_buffer;
  source->next_input_byte += skipped;
  source->bytes_in_buffer -= skipped;
}

/* a * b / 255, rounded */
static inline int multiply(int a, int b) {
  int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/* `in` holds 255 - C, 255 - M, 255 - Y, 255 - K. */
static void inverted_cmyk_to_rgb(const uint8_t *in, int width, uint8_t *out) {
  for (int x = 0; x < width; x++)
    for (int c = 0; c < 3; c++) out[3 * x + c] = (uint8_t)(in[4 * x + 3] - multiply(255 - in[4 * x + c], in[4 * x + 3]));
}

/* Both leave the rows that libjpeg does not come to as they are. */
static void read_rgb_rows(struct jpeg_decompress_struct *decoder, uint8_t *pixels) {
  size_t row_bytes = (size_t)decoder->output_width * 3;
  JDIMENSION made = 1;
  while (made && decoder->output_scanline < decoder->output_height) {
    JSAMPROW rows[4]; /* as many as libjpeg makes at once */
    JDIMENSION count = decoder->output_height - decoder->output_scanline;
    if (count > 4) count = 4;
    for (JDIMENSION i = 0; i < count; i++) rows[i] = pixels + (decoder->output_scanline + i) * row_bytes;
    made = jpeg_read_scanlines(decoder, rows, count);
  }
}

static void read_cmyk_rows(struct jpeg_decompress_struct *decoder, uint8_t *pixels) {
  size_t row_bytes = (size_t)decoder->output_width * 3;
  JSAMPARRAY row = decoder->mem->alloc_sarray((j_common_ptr)decoder, JPOOL_IMAGE, decoder->output_width * 4, 1);
  for (JDIMENSION y = 0; y < decoder->output_height && jpeg_read_scanlines(decoder, row, 1); y++)
    inverted_cmyk_to_rgb(row[0], (int)decoder->output_width, pixels + y * row_bytes);
}

static xr_status read_picture(jpeg_reader *reader, xr_image *image) {
  struct jpeg_decompress_struct *decoder = &reader->decoder;
  if (setjmp(reader->escape)) /* after the end of a cut file it does not matter what libjpeg thinks of the marker it was given there */
    return reader->truncated && reader->status == XR_BAD_INPUT ? XR_OK : reader->status;
  jpeg_create_decompress(decoder);
  decoder->src = &reader->source;
  /* A file that ends before its picture begins has nothing to show, whatever is allowed. */
  bool allow_truncated = reader->allow_truncated;
  reader->allow_truncated = false;
  jpeg_read_header(decoder, TRUE);
  reader->allow_truncated = allow_truncated;
  if (decoder->num_components != 1 && decoder->num_components != 3 && decoder->num_components != 4)
    return xr_fail(XR_UNSUPPORTED, "it has %d components (1, 3 and 4 are read)", decoder->num_components);
  XR_TRY(xr_image_alloc(image, decoder->image_width, decoder->image_height));
  bool cmyk = decoder->num_components == 4;
  decoder->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
  /* What libjpeg does not come to is zero in Pillow, and zero CMYK is white. Missing blocks it fills with grey itself. */
  if (allow_truncated) memset(image->pixels, cmyk ? 255 : 0, (size_t)image->width * (size_t)image->height * 3);
  if (jpeg_start_decompress(decoder)) (cmyk ? read_cmyk_rows : read_rgb_rows)(decoder, image->pixels);
  return XR_OK;
}

xr_status xr_jpeg_decode(xr_image *image, const uint8_t *bytes, size_t size, xr_image_options options, bool *truncated) {
  jpeg_reader reader = {.allow_truncated = options.allow_truncated};
  reader.decoder.err = jpeg_std_error(&reader.errors);
  reader.decoder.client_data = &reader;
  reader.errors.error_exit = fail;
  reader.errors.emit_message = ignore;
  reader.errors.output_message = print_nothing;
  reader.source = (struct jpeg_source_mgr){.next_input_byte = bytes,
                                           .bytes_in_buffer = size,
                                           .init_source = source_begins_or_ends,
                                           .fill_input_buffer = source_is_empty,
                                           .skip_input_data = source_skips,
                                           .resync_to_restart = jpeg_resync_to_restart,
                                           .term_source = source_begins_or_ends};
  xr_status status = read_picture(&reader, image);
  jpeg_destroy_decompress(&reader.decoder);
  *truncated = reader.truncated;
  return status;
}
