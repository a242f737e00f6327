#include "tools/embed_inputs.h"

#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/base/file.h"
#include "host/io/text_file.h"

/* ---- lists of pictures */
typedef struct {
  const char **path;
  size_t count, capacity;
} path_list;

static xr_status add_path(xr_arena *arena, path_list *list, const char *path) {
  XR_TRY(xr_grow((void **)&list->path, &list->capacity, list->count, sizeof *list->path));
  const char *copy = xr_arena_copy(arena, path);
  if (!copy) return XR_NO_MEMORY;
  list->path[list->count++] = copy;
  return XR_OK;
}

static bool is_picture(const char *name) {
  static const char *const endings[] = {".jpg", ".jpeg", ".png", ".bmp"};
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
    if (strcasecmp(dot, endings[i]) == 0) return true;
  return false;
}

static int by_path(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static xr_status list_folder(xr_arena *arena, const char *folder, path_list *list) {
  char *roots[] = {xr_arena_copy(arena, folder), NULL};
  FTS *walk = roots[0] ? fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL) : NULL;
  if (!walk) return xr_fail(XR_IO, "%s: %s", folder, strerror(errno));
  xr_status status = XR_OK;
  for (FTSENT *entry; status == XR_OK && (entry = fts_read(walk));) {
    if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
      status = xr_fail(XR_IO, "%s: %s", entry->fts_path, strerror(entry->fts_errno));
    else if (entry->fts_info == FTS_F && is_picture(entry->fts_name))
      status = add_path(arena, list, entry->fts_path);
  }
  fts_close(walk);
  if (list->count) qsort(list->path, list->count, sizeof *list->path, by_path);
  return status;
}

/* Calls `add` with every line that is not empty, without its end. */
static xr_status each_line(const char *path, xr_status (*add)(void *context, char *line, size_t number), void *context) {
  char *text;
  size_t bytes, number = 0;
  XR_TRY(xr_read_text_file(path, &text, &bytes));
  xr_status status = XR_OK;
  for (char *line = text, *next; line < text + bytes && status == XR_OK; line = next) {
    char *end = memchr(line, '\n', (size_t)(text + bytes - line));
    next = end ? end + 1 : text + bytes;
    if (!end) end = text + bytes;
    if (end > line && end[-1] == '\r') end--;
    *end = '\0';
    number++;
    if (end > line) status = add(context, line, number);
    if (status != XR_OK) xr_fail_in(status, "%s:%zu", path, number);
  }
  free(text);
  return status;
}

typedef struct {
  xr_arena *arena;
  path_list list;
} line_reader;

static xr_status add_line(void *context, char *line, size_t number) {
  line_reader *reader = context;
  (void)number;
  return add_path(reader->arena, &reader->list, line);
}

static xr_status make_images(xr_arena *arena, const path_list *list, xr_split *split) {
  xr_image_record *images = XR_NEW_ARRAY(arena, xr_image_record, list->count);
  if (!images) return XR_NO_MEMORY;
  for (size_t i = 0; i < list->count; i++) images[i] = (xr_image_record){.path = list->path[i], .image_id = (int32_t)i, .camera = -1};
  split->images = images;
  split->image_count = list->count;
  return XR_OK;
}

xr_status xr_read_image_list(xr_arena *arena, const char *from, xr_split *split) {
  line_reader reader = {.arena = arena};
  xr_status status = xr_is_folder(from) ? list_folder(arena, from, &reader.list) : each_line(from, add_line, &reader);
  if (status == XR_OK && !reader.list.count) status = xr_fail(XR_BAD_INPUT, "%s: names no picture (jpg, jpeg, png, bmp)", from);
  if (status == XR_OK) status = make_images(arena, &reader.list, split);
  free(reader.list.path);
  return status;
}

/* ---- captions */
static xr_status add_caption(void *context, char *line, size_t number) {
  line_reader *reader = context;
  json_error_t error;
  (void)number;
  json_t *value = json_loads(line, JSON_DECODE_ANY, &error);
  if (!value) return xr_fail(XR_BAD_INPUT, "column %d: %s", error.column, error.text);
  const json_t *caption = json_is_object(value) ? json_object_get(value, "caption") : value;
  xr_status status = json_is_string(caption) ? add_path(reader->arena, &reader->list, json_string_value(caption))
                                             : xr_fail(XR_BAD_INPUT, "a line holds a JSON string, or an object with \"caption\"");
  json_decref(value);
  return status;
}

/* Captions of a data set belong to images; these to one that has the file's name, for messages. */
static xr_status make_captions(xr_arena *arena, const path_list *list, const char *file, xr_split *split) {
  xr_caption_record *captions = XR_NEW_ARRAY(arena, xr_caption_record, list->count);
  xr_image_record *image = XR_NEW(arena, xr_image_record);
  if (!captions || !image) return XR_NO_MEMORY;
  for (size_t i = 0; i < list->count; i++) captions[i] = (xr_caption_record){.text = list->path[i], .number = (int32_t)i};
  *image = (xr_image_record){.path = file, .camera = -1};
  *split = (xr_split){.images = image, .image_count = 1, .captions = captions, .caption_count = list->count};
  return XR_OK;
}

xr_status xr_read_captions(xr_arena *arena, const char *path, xr_split *split) {
  line_reader reader = {.arena = arena};
  xr_status status = each_line(path, add_caption, &reader);
  if (status == XR_OK && !reader.list.count) status = xr_fail(XR_BAD_INPUT, "%s: holds no caption", path);
  if (status == XR_OK) status = make_captions(arena, &reader.list, path, split);
  free(reader.list.path);
  return status;
}

/* ---- arrays */
static xr_status read_pixels(void *context, int64_t first, int64_t n, void *rows, int32_t *lengths) {
  const xr_npy *a = context;
  const size_t bytes = (size_t)(a->dim[1] * a->dim[2] * a->dim[3]);
  (void)lengths;
  memcpy(rows, (const char *)a->data + (size_t)first * bytes, (size_t)n * bytes);
  return XR_OK;
}

xr_status xr_open_pixels(const char *path, int64_t height, int64_t width, xr_npy **pixels, xr_sample_source *source) {
  XR_TRY(xr_npy_open(pixels, path));
  const xr_npy *a = *pixels;
  *source = (xr_sample_source){.count = a->rank ? a->dim[0] : 0, .read = read_pixels, .context = *pixels};
  if (a->dtype != XR_U8 || a->rank != 4 || a->dim[3] != 3)
    return xr_fail(XR_BAD_INPUT, "%s: pixels are uint8 [N, height, width, 3]; this array is %s with %d dimensions", path,
                   xr_dtype_name(a->dtype), a->rank);
  if (a->dim[1] != height || a->dim[2] != width)
    return xr_fail(XR_BAD_INPUT,
                   "%s: these images are %" PRId64 " x %" PRId64 ", the model takes %" PRId64 " x %" PRId64
                   " (height x width): resize them, or set image.height and image.width",
                   path, a->dim[1], a->dim[2], height, width);
  return a->dim[0] ? XR_OK : xr_fail(XR_BAD_INPUT, "%s: holds no image", path);
}

static xr_status read_tokens(void *context, int64_t first, int64_t n, void *rows, int32_t *lengths) {
  const xr_npy *a = context;
  const int64_t length = a->dim[1];
  const int32_t *ids = (const int32_t *)a->data + first * length;
  memcpy(rows, ids, (size_t)(n * length) * sizeof *ids);
  for (int64_t i = 0; i < n; i++) {
    int32_t largest = 0;
    for (int32_t k = 1; k < length; k++)
      if (ids[i * length + k] > ids[i * length + largest]) largest = k;
    lengths[i] = largest + 1;
  }
  return XR_OK;
}

xr_status xr_open_tokens(const char *path, int64_t context, int64_t vocabulary, xr_npy **tokens, xr_sample_source *source) {
  XR_TRY(xr_npy_open(tokens, path));
  const xr_npy *a = *tokens;
  *source = (xr_sample_source){.count = a->rank ? a->dim[0] : 0, .read = read_tokens, .context = *tokens};
  if (a->dtype != XR_I32 || a->rank != 2)
    return xr_fail(XR_BAD_INPUT, "%s: tokens are int32 [N, L]; this array is %s with %d dimensions", path, xr_dtype_name(a->dtype),
                   a->rank);
  if (!a->count) return xr_fail(XR_BAD_INPUT, "%s: holds no token", path);
  if (a->dim[1] > context)
    return xr_fail(XR_BAD_INPUT, "%s: rows have %" PRId64 " tokens, the model takes %" PRId64 " at most", path, a->dim[1], context);
  for (int64_t i = 0; i < a->count; i++) {
    const int32_t id = ((const int32_t *)a->data)[i];
    if (id < 0 || id >= vocabulary)
      return xr_fail(XR_BAD_INPUT, "%s: row %" PRId64 " holds the id %d; the model knows 0 to %" PRId64, path, i / a->dim[1], id,
                     vocabulary - 1);
  }
  return XR_OK;
}
