#include "tools/embed_inputs.h"

#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/image.h"
#include "host/io/text_file.h"

/* ---- lists of pictures */
typedef struct {
  xr_image_record *image;
  size_t count, capacity;
} image_list;

static xr_status add_image(xr_arena *arena, image_list *list, const xr_image_record *image) {
  XR_TRY(xr_grow((void **)&list->image, &list->capacity, list->count, sizeof *list->image));
  xr_image_record *copy = &list->image[list->count];
  *copy = *image;
  copy->path = xr_arena_copy(arena, image->path);
  if (!copy->path) return XR_NO_MEMORY;
  copy->image_id = (int32_t)list->count++;
  return XR_OK;
}

static xr_image_record unknown_image(const char *path) { return (xr_image_record){.path = path, .pid = -1, .camera = -1}; }

static int by_path(const void *a, const void *b) { return strcmp(((const xr_image_record *)a)->path, ((const xr_image_record *)b)->path); }

static xr_status list_folder(xr_arena *arena, const char *folder, image_list *list) {
  char *roots[] = {xr_arena_copy(arena, folder), NULL};
  FTS *walk = roots[0] ? fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL) : NULL;
  if (!walk) return xr_fail(XR_IO, "%s: %s", folder, strerror(errno));
  xr_status status = XR_OK;
  for (FTSENT *entry; status == XR_OK && (entry = fts_read(walk));) {
    if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
      status = xr_fail(XR_IO, "%s: %s", entry->fts_path, strerror(entry->fts_errno));
    else if (entry->fts_info == FTS_F && xr_is_picture_name(entry->fts_name)) {
      const xr_image_record image = unknown_image(entry->fts_path);
      status = add_image(arena, list, &image);
    }
  }
  fts_close(walk);
  if (list->count) qsort(list->image, list->count, sizeof *list->image, by_path);
  for (size_t i = 0; i < list->count; i++) list->image[i].image_id = (int32_t)i;
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
  image_list images;
  const char **caption;
  size_t captions, room;
} line_reader;

static int32_t number_of(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  const json_int_t number = json_integer_value(value);
  return json_is_integer(value) && number >= 0 && number <= INT32_MAX ? (int32_t)number : -1;
}

/* A line as `xreid data list` prints it. */
static xr_status add_object(line_reader *reader, const char *line) {
  json_error_t error;
  json_t *object = json_loads(line, 0, &error);
  if (!object) return xr_fail(XR_BAD_INPUT, "column %d: %s", error.column, error.text);
  const char *path = json_string_value(json_object_get(object, "path"));
  const char *modality = json_string_value(json_object_get(object, "modality"));
  xr_image_record image = unknown_image(path);
  image.pid = number_of(object, "id");
  image.camera = number_of(object, "camera");
  image.modality = modality && strcmp(modality, "infrared") == 0 ? XR_MODALITY_INFRARED : XR_MODALITY_VISIBLE;
  xr_status status = path ? add_image(reader->arena, &reader->images, &image) : xr_fail(XR_BAD_INPUT, "the object has no \"path\"");
  json_decref(object);
  return status;
}

static xr_status add_line(void *context, char *line, size_t number) {
  line_reader *reader = context;
  (void)number;
  if (line[0] == '{') return add_object(reader, line);
  const xr_image_record image = unknown_image(line);
  return add_image(reader->arena, &reader->images, &image);
}

xr_status xr_read_image_list(xr_arena *arena, const char *from, xr_split *split) {
  line_reader reader = {.arena = arena};
  xr_status status = xr_is_folder(from) ? list_folder(arena, from, &reader.images) : each_line(from, add_line, &reader);
  const size_t count = reader.images.count;
  if (status == XR_OK && !count) status = xr_fail(XR_BAD_INPUT, "%s: names no picture (jpg, jpeg, png, bmp)", from);
  xr_image_record *images = status == XR_OK ? XR_NEW_ARRAY(arena, xr_image_record, count) : NULL;
  if (status == XR_OK && !images) status = XR_NO_MEMORY;
  if (images) {
    memcpy(images, reader.images.image, count * sizeof *images);
    split->images = images;
    split->image_count = count;
  }
  free(reader.images.image);
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
  const char *copy = json_is_string(caption) ? xr_arena_copy(reader->arena, json_string_value(caption)) : NULL;
  xr_status status = copy ? xr_grow((void **)&reader->caption, &reader->room, reader->captions, sizeof *reader->caption)
                     : json_is_string(caption) ? XR_NO_MEMORY
                                               : xr_fail(XR_BAD_INPUT, "a line holds a JSON string, or an object with \"caption\"");
  if (status == XR_OK) reader->caption[reader->captions++] = copy;
  json_decref(value);
  return status;
}

/* Captions of a data set belong to images; these to one that has the file's name, for messages. */
static xr_status make_captions(const line_reader *reader, const char *file, xr_split *split) {
  xr_arena *arena = reader->arena;
  const size_t count = reader->captions;
  xr_caption_record *captions = XR_NEW_ARRAY(arena, xr_caption_record, count);
  xr_image_record *image = XR_NEW(arena, xr_image_record);
  if (!captions || !image) return XR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) captions[i] = (xr_caption_record){.text = reader->caption[i], .number = (int32_t)i};
  *image = (xr_image_record){.path = file, .camera = -1};
  *split = (xr_split){.images = image, .image_count = 1, .captions = captions, .caption_count = count};
  return XR_OK;
}

xr_status xr_read_captions(xr_arena *arena, const char *path, xr_split *split) {
  line_reader reader = {.arena = arena};
  xr_status status = each_line(path, add_caption, &reader);
  if (status == XR_OK && !reader.captions) status = xr_fail(XR_BAD_INPUT, "%s: holds no caption", path);
  if (status == XR_OK) status = make_captions(&reader, path, split);
  free(reader.caption);
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
