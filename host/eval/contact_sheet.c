#include "host/eval/contact_sheet.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/data/image_write.h"
#include "host/eval/thumbnail.h"

/* All in pixels. A cell is a frame around a box for the picture, with its label below. */
enum {
  MARGIN = 16,
  GAP = 8,
  FRAME = 4,
  BOX_WIDTH = 96,
  BOX_HEIGHT = 208,
  CELL_WIDTH = BOX_WIDTH + 2 * FRAME,
  FRAME_HEIGHT = BOX_HEIGHT + 2 * FRAME,
  LABEL_HEIGHT = 20,
  NAME_HEIGHT = 14,
  LINE_HEIGHT = 20,
  CAPTION_LINES = 3, /* at most; longer captions are cut */
  ROW_GAP = 18,
  MIN_CELLS = 4, /* room for a caption beside few images */
  MAX_SIDE = 32767
};
#define CAPTION_SIZE 15.0
#define LABEL_SIZE 12.0
#define NAME_SIZE 10.0

typedef struct {
  double red, green, blue;
} color;
static const color paper = {1, 1, 1}, ink = {.1, .1, .12}, pale = {.93, .93, .94};
static const color mark_color[] = {[XR_MARK_NONE] = {.55, .57, .6}, [XR_MARK_RIGHT] = {.05, .55, .2}, [XR_MARK_WRONG] = {.8, .12, .12}};

static void use(cairo_t *c, color k) { cairo_set_source_rgb(c, k.red, k.green, k.blue); }

static double text_width(cairo_t *c, const char *text) {
  cairo_text_extents_t extents;
  cairo_text_extents(c, text, &extents);
  return extents.x_advance;
}

/* Cuts the end of a line, whole characters, until it fits with dots behind it. */
static void shorten(cairo_t *c, char *line, size_t size, double width) {
  size_t length = strlen(line);
  do {
    while (length && ((unsigned char)line[length] & 0xc0) == 0x80) length--; /* not into a character */
    snprintf(line + length, size - length, "...");
    if (text_width(c, line) <= width || !length) return;
    length--;
  } while (true);
}

/* Breaks `text` at blanks into lines of `width` pixels and shows them when `show` is set. Returns how many there are. */
static int caption_lines(cairo_t *c, const char *text, double width, bool show, double x, double y) {
  char line[1024] = "", longer[sizeof line];
  int lines = 0;
  cairo_set_font_size(c, CAPTION_SIZE);
  while (*text && lines < CAPTION_LINES) {
    line[0] = '\0';
    while (*text) { /* word by word */
      const char *start = text + strspn(text, " ");
      const int length = (int)strcspn(start, " ");
      if (!length) {
        text = start;
        break;
      }
      const int written = snprintf(longer, sizeof longer - 4, "%s%s%.*s", line, *line ? " " : "", length, start);
      if (*line && (written >= (int)sizeof longer - 4 || text_width(c, longer) > width)) break;
      memcpy(line, longer, sizeof line);
      text = start + length;
    }
    if (!*line) break;
    if ((*text && lines + 1 == CAPTION_LINES) || text_width(c, line) > width) shorten(c, line, sizeof line, width);
    if (show) {
      cairo_move_to(c, x, y + CAPTION_SIZE + lines * LINE_HEIGHT);
      cairo_show_text(c, line);
    }
    lines++;
  }
  return lines;
}

static void draw_picture(cairo_t *c, const xr_image *image, double x, double y) {
  use(c, pale);
  cairo_rectangle(c, x, y, BOX_WIDTH, BOX_HEIGHT);
  cairo_fill(c);
  if (!image->pixels) return;
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, image->width, image->height);
  unsigned char *bytes = cairo_image_surface_get_data(surface);
  if (bytes) { /* a surface without memory has an error status, which the sheet's context takes over */
    const int stride = cairo_image_surface_get_stride(surface);
    for (int row = 0; row < image->height; row++)
      for (int col = 0; col < image->width; col++) {
        const uint8_t *p = image->pixels + ((size_t)row * (size_t)image->width + (size_t)col) * 3;
        const uint32_t pixel = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        memcpy(bytes + row * stride + 4 * col, &pixel, sizeof pixel);
      }
    cairo_surface_mark_dirty(surface);
  }
  cairo_set_source_surface(c, surface, x + (BOX_WIDTH - image->width) / 2, y + (BOX_HEIGHT - image->height) / 2);
  cairo_paint(c);
  cairo_surface_destroy(surface);
}

/* A tick or a cross in a square of 10 pixels: drawn, since a font may lack the characters. */
static void draw_mark(cairo_t *c, xr_mark mark, double x, double y) {
  static const double tick[] = {0, 5, 4, 9, 10, 1}, cross[] = {1, 1, 9, 9, 5, 5, 1, 9, 9, 1};
  const double *points = mark == XR_MARK_RIGHT ? tick : cross;
  const int count = mark == XR_MARK_RIGHT ? 3 : 5;
  if (mark == XR_MARK_NONE) return;
  for (int i = 0; i < count; i++) cairo_line_to(c, x + points[2 * i], y + points[2 * i + 1]);
  cairo_set_line_width(c, 2.2);
  cairo_stroke(c);
}

/* A file's name under the label. */
static xr_status draw_name(cairo_t *c, const char *name, double x, double y) {
  char line[256];
  char *clean = xr_display_text(name);
  if (!clean) return XR_NO_MEMORY;
  snprintf(line, sizeof line - 4, "%s", clean);
  free(clean);
  cairo_set_font_size(c, NAME_SIZE);
  if (text_width(c, line) > CELL_WIDTH) shorten(c, line, sizeof line, CELL_WIDTH);
  use(c, mark_color[XR_MARK_NONE]);
  cairo_move_to(c, x, y + NAME_SIZE);
  cairo_show_text(c, line);
  return XR_OK;
}

static xr_status draw_cell(cairo_t *c, const char *path, xr_mark mark, const char *label, const char *name, double x, double y) {
  xr_image image;
  XR_TRY(xr_thumbnail_load(&image, path, BOX_WIDTH, BOX_HEIGHT));
  use(c, mark_color[mark]);
  cairo_rectangle(c, x, y, CELL_WIDTH, FRAME_HEIGHT);
  cairo_fill(c);
  draw_picture(c, &image, x + FRAME, y + FRAME);
  xr_image_free(&image);
  const double top = y + FRAME_HEIGHT + 5;
  use(c, mark_color[mark]);
  draw_mark(c, mark, x, top);
  use(c, ink);
  cairo_set_font_size(c, LABEL_SIZE);
  cairo_move_to(c, x + (mark == XR_MARK_NONE ? 0 : 15), top + 10);
  cairo_show_text(c, label);
  return name ? draw_name(c, name, x, y + FRAME_HEIGHT + LABEL_HEIGHT) : XR_OK;
}

static bool has_names(const xr_ranked_example *e) {
  for (size_t i = 0; i < e->count; i++)
    if (e->ranked[i].name) return true;
  return false;
}

/* Below the caption. */
static int row_height(const xr_ranked_example *e) { return FRAME_HEIGHT + LABEL_HEIGHT + ROW_GAP + (has_names(e) ? NAME_HEIGHT : 0); }

static xr_status draw_row(cairo_t *c, const xr_ranked_example *e, double width, double *y) {
  char *caption = xr_display_text(e->caption ? e->caption : "");
  if (!caption) return XR_NO_MEMORY;
  use(c, ink);
  *y += caption_lines(c, caption, width, true, MARGIN, *y) * LINE_HEIGHT + 6;
  free(caption);
  double x = MARGIN;
  if (e->query_image) {
    XR_TRY(draw_cell(c, e->query_image, XR_MARK_NONE, "query", NULL, x, *y));
    x += CELL_WIDTH + 2 * GAP;
  }
  for (size_t i = 0; i < e->count; i++) {
    char label[40];
    const bool scored = isfinite(e->ranked[i].score);
    int length = snprintf(label, sizeof label, "%zu", i + 1);
    if (scored) snprintf(label + length, sizeof label - (size_t)length, "   %.3f", e->ranked[i].score);
    XR_TRY(draw_cell(c, e->ranked[i].path, e->ranked[i].mark, label, e->ranked[i].name, x, *y));
    x += CELL_WIDTH + GAP;
  }
  *y += row_height(e);
  return XR_OK;
}

static cairo_t *new_context(double width, double height) {
  cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
  cairo_t *c = cairo_create(surface);
  cairo_surface_destroy(surface); /* the context keeps it */
  cairo_select_font_face(c, "sans", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
  return c;
}

static xr_status write_png(cairo_t *c, const char *path) {
  cairo_surface_t *surface = cairo_get_target(c);
  cairo_surface_flush(surface);
  if (cairo_status(c) != CAIRO_STATUS_SUCCESS)
    return xr_fail(XR_NO_MEMORY, "%s: cannot draw: %s", path, cairo_status_to_string(cairo_status(c)));
  const int width = cairo_image_surface_get_width(surface), height = cairo_image_surface_get_height(surface);
  const int stride = cairo_image_surface_get_stride(surface);
  const unsigned char *bytes = cairo_image_surface_get_data(surface);
  uint8_t *pixels = xr_block_alloc((size_t)width * (size_t)height * 3), *to = pixels;
  if (!pixels) return XR_NO_MEMORY;
  for (int row = 0; row < height; row++)
    for (int col = 0; col < width; col++) {
      uint32_t pixel;
      memcpy(&pixel, bytes + row * stride + 4 * col, sizeof pixel);
      *to++ = (uint8_t)(pixel >> 16);
      *to++ = (uint8_t)(pixel >> 8);
      *to++ = (uint8_t)pixel;
    }
  xr_status status = xr_image_write_png(path, width, height, pixels);
  xr_block_free(pixels);
  return status;
}

/* The height of all rows, with captions broken at `width`. */
static xr_status measure(const xr_ranked_example *examples, size_t count, double width, double *height) {
  cairo_t *c = new_context(1, 1);
  xr_status status = XR_OK;
  *height = 2 * MARGIN - ROW_GAP;
  for (size_t i = 0; i < count && status == XR_OK; i++) {
    char *caption = xr_display_text(examples[i].caption ? examples[i].caption : "");
    if (!caption) status = XR_NO_MEMORY;
    if (caption) *height += caption_lines(c, caption, width, false, 0, 0) * LINE_HEIGHT + 6;
    *height += row_height(&examples[i]);
    free(caption);
  }
  cairo_destroy(c);
  return status;
}

xr_status xr_contact_sheet_write(const char *path, const xr_ranked_example *examples, size_t count) {
  if (!count) return xr_fail(XR_BAD_ARGUMENT, "%s: a contact sheet of no rows", path);
  double width = MIN_CELLS * (CELL_WIDTH + GAP) - GAP, height;
  for (size_t i = 0; i < count; i++)
    width = fmax(width, (double)examples[i].count * (CELL_WIDTH + GAP) - GAP + (examples[i].query_image ? CELL_WIDTH + 2 * GAP : 0));
  XR_TRY(measure(examples, count, width, &height));
  if (width + 2 * MARGIN > MAX_SIDE || height > MAX_SIDE)
    return xr_fail(XR_BAD_ARGUMENT, "%s: %zu rows need a picture of %.0f x %.0f pixels, at most %d x %d fit; show fewer", path, count,
                   width + 2 * MARGIN, height, MAX_SIDE, MAX_SIDE);
  cairo_t *c = new_context(width + 2 * MARGIN, height);
  use(c, paper);
  cairo_paint(c);
  xr_status status = XR_OK;
  double y = MARGIN;
  for (size_t i = 0; i < count && status == XR_OK; i++) status = draw_row(c, &examples[i], width, &y);
  if (status == XR_OK) status = write_png(c, path);
  cairo_destroy(c);
  return status;
}
