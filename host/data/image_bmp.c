/* Windows bitmaps. Format: Microsoft, "Bitmap Storage" (BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER and its extensions). */
#include <inttypes.h>
#include <string.h>

#include "host/data/image_formats.h"

enum { FILE_HEADER_BYTES = 14, CORE_HEADER_BYTES = 12, INFO_HEADER_BYTES = 40, UNCOMPRESSED = 0, BIT_FIELDS = 3 };

typedef struct {
  int64_t width, height;
  bool top_down;
  int bits;
  uint32_t compression;
  uint64_t data, row_bytes; /* where the first stored row begins, and how far the rows are apart */
  uint32_t mask[3];         /* red, green, blue, for 16 bits and more */
  uint8_t colour[256][3];   /* for 8 bits and fewer */
} bitmap;

static uint32_t u16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const uint8_t *p) { return u16(p) | u16(p + 2) << 16; }

static xr_status cut_off(size_t size, uint64_t wanted) {
  return xr_fail(XR_BAD_INPUT, "the file is cut off: %zu of %" PRIu64 " bytes are there", size, wanted);
}

static xr_status read_palette(bitmap *b, const uint8_t *bytes, size_t size, uint64_t start, uint32_t count, uint32_t entry_bytes) {
  if (!count) count = 1u << b->bits;
  if (count > 65536) return xr_fail(XR_BAD_INPUT, "a palette of %" PRIu32 " colours", count);
  uint64_t end = start + (uint64_t)count * entry_bytes;
  if (end > size) return cut_off(size, end);
  for (uint32_t i = 0; i < count && i < 256; i++)
    for (uint32_t c = 0; c < 3; c++) b->colour[i][c] = bytes[start + i * entry_bytes + 2 - c]; /* stored as blue, green, red */
  if (b->data == start) b->data = end; /* some writers forget the palette when they count */
  return XR_OK;
}

static xr_status read_masks(bitmap *b, const uint8_t *bytes, size_t size) {
  if (b->compression == UNCOMPRESSED) {
    memcpy(b->mask, b->bits == 16 ? (uint32_t[]){0x7c00, 0x3e0, 0x1f} : (uint32_t[]){0xff0000, 0xff00, 0xff}, sizeof b->mask);
    return XR_OK;
  }
  uint64_t start = FILE_HEADER_BYTES + INFO_HEADER_BYTES, end = start + 3 * 4; /* inside a longer header, or behind a short one */
  if (end > size) return cut_off(size, end);
  for (int c = 0; c < 3; c++) b->mask[c] = u32(bytes + start + 4 * c);
  if (b->bits == 32 && !(b->mask[0] | b->mask[1] | b->mask[2])) memcpy(b->mask, (uint32_t[]){0xff0000, 0xff00, 0xff}, sizeof b->mask);
  if (b->data == start) b->data = end;
  for (int c = 0; c < 3; c++) {
    uint32_t low = b->mask[c] & (0u - b->mask[c]), ones = low ? b->mask[c] / low : 0;
    if (!ones || ones > 255 || (ones & (ones + 1)))
      return xr_fail(XR_UNSUPPORTED, "bit field %08" PRIx32 " (1 to 8 adjacent bits a channel are read)", b->mask[c]);
  }
  return XR_OK;
}

static xr_status read_headers(bitmap *b, const uint8_t *bytes, size_t size) {
  if (size < FILE_HEADER_BYTES + CORE_HEADER_BYTES) return cut_off(size, FILE_HEADER_BYTES + CORE_HEADER_BYTES);
  const uint8_t *h = bytes + FILE_HEADER_BYTES;
  uint32_t header_bytes = u32(h);
  bool core = header_bytes == CORE_HEADER_BYTES;
  if (!core && (header_bytes < INFO_HEADER_BYTES || header_bytes > 1024))
    return xr_fail(XR_UNSUPPORTED, "a header of %" PRIu32 " bytes", header_bytes);
  uint64_t header_end = FILE_HEADER_BYTES + (uint64_t)header_bytes;
  if (size < header_end) return cut_off(size, header_end);
  int64_t height = core ? (int64_t)u16(h + 6) : (int32_t)u32(h + 8);
  *b = (bitmap){.width = core ? (int64_t)u16(h + 4) : (int32_t)u32(h + 4),
                .height = height < 0 ? -height : height,
                .top_down = height < 0,
                .bits = (int)u16(h + (core ? 10 : 14)),
                .compression = core ? UNCOMPRESSED : u32(h + 16),
                .data = u32(bytes + 10)};
  b->row_bytes = ((uint64_t)b->width * (uint64_t)b->bits + 31) / 32 * 4;
  bool palette = b->bits == 1 || b->bits == 4 || b->bits == 8;
  if (!palette && b->bits != 16 && b->bits != 24 && b->bits != 32) return xr_fail(XR_UNSUPPORTED, "%d bits a pixel", b->bits);
  if (b->compression != UNCOMPRESSED && (palette || b->compression != BIT_FIELDS))
    return xr_fail(XR_UNSUPPORTED, "compression %" PRIu32 " (only uncompressed bitmaps are read)", b->compression);
  return palette ? read_palette(b, bytes, size, header_end, core ? 0 : u32(h + 32), core ? 3 : 4) : read_masks(b, bytes, size);
}

static void convert_palette_row(const bitmap *b, const uint8_t *in, uint8_t *out) {
  unsigned per_byte = 8u / (unsigned)b->bits, low_bits = (1u << b->bits) - 1;
  for (unsigned x = 0; x < (unsigned)b->width; x++) {
    unsigned shift = (per_byte - 1 - x % per_byte) * (unsigned)b->bits;
    memcpy(out + 3 * (size_t)x, b->colour[(unsigned)in[x / per_byte] >> shift & low_bits], 3);
  }
}

/* v -> v * 255 / largest, rounded down: 8-bit channels as they are. */
static void convert_masked_row(const bitmap *b, const uint8_t *in, uint8_t *out) {
  unsigned pixel_bytes = (unsigned)b->bits / 8;
  int shift[3];
  uint32_t largest[3];
  for (int c = 0; c < 3; c++) {
    shift[c] = __builtin_ctz(b->mask[c]);
    largest[c] = b->mask[c] >> shift[c];
  }
  for (int64_t x = 0; x < b->width; x++, in += pixel_bytes) {
    uint32_t v = u16(in) | (pixel_bytes > 2 ? (uint32_t)in[2] << 16 : 0) | (pixel_bytes > 3 ? (uint32_t)in[3] << 24 : 0);
    for (int c = 0; c < 3; c++) out[3 * x + c] = (uint8_t)((v >> shift[c] & largest[c]) * 255 / largest[c]);
  }
}

static void convert_bgr_row(const bitmap *b, const uint8_t *in, uint8_t *out) {
  for (int64_t x = 0; x < b->width; x++)
    for (int c = 0; c < 3; c++) out[3 * x + c] = in[3 * x + 2 - c];
}

xr_status xr_bmp_decode(xr_image *image, const uint8_t *bytes, size_t size, xr_image_options options, bool *truncated) {
  (void)options, (void)truncated; /* a bitmap that is cut off is an error in any case */
  bitmap b;
  XR_TRY(read_headers(&b, bytes, size));
  if (b.width > 0 && b.height > 0 && b.width <= XR_IMAGE_MAX_SIDE && b.height <= XR_IMAGE_MAX_SIDE &&
      b.data + b.row_bytes * (uint64_t)b.height > size)
    return cut_off(size, b.data + b.row_bytes * (uint64_t)b.height);
  XR_TRY(xr_image_alloc(image, b.width, b.height));
  for (int64_t y = 0; y < b.height; y++) {
    const uint8_t *in = bytes + b.data + (uint64_t)(b.top_down ? y : b.height - 1 - y) * b.row_bytes;
    uint8_t *out = image->pixels + (size_t)(y * b.width) * 3;
    if (b.bits <= 8)
      convert_palette_row(&b, in, out);
    else if (b.bits == 24 && b.compression == UNCOMPRESSED)
      convert_bgr_row(&b, in, out);
    else
      convert_masked_row(&b, in, out);
  }
  return XR_OK;
}
