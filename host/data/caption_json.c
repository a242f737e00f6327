#include "host/data/caption_json.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"

typedef struct {
  xr_dataset_builder *builder;
  const char *file, *image_folder;
  size_t record;
  size_t empty, first_empty;     /* captions, and the record of the first */
  size_t unknown, first_unknown; /* splits that are not train, val or test */
  const char *unknown_name;      /* of the first; the document's */
} reader;

static const char *type_name(json_type type) {
  static const char *const name[] = {
      [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string", [JSON_INTEGER] = "an integer",
      [JSON_REAL] = "a number",    [JSON_TRUE] = "true",      [JSON_FALSE] = "false",     [JSON_NULL] = "null"};
  return name[type];
}

static xr_status parse_file(const char *file, json_t **root) {
  char *bytes;
  size_t size;
  XR_TRY(xr_read_file(file, &bytes, &size));
  json_error_t error;
  *root = json_loadb(bytes, size, 0, &error);
  free(bytes);
  if (*root) return XR_OK;
  return xr_fail(XR_BAD_INPUT, "%s: line %d, column %d: %s. The file is damaged or cut; download it again", file, error.line, error.column,
                 error.text);
}

/* The member `key` of the current record, which must be of `type`. */
static xr_status member(const reader *r, json_t *object, const char *key, json_type type, json_t **value) {
  *value = json_object_get(object, key);
  if (!*value) return xr_fail(XR_BAD_INPUT, "%s: record %zu: the key \"%s\" is missing", r->file, r->record, key);
  if (json_typeof(*value) != type)
    return xr_fail(XR_BAD_INPUT, "%s: record %zu: \"%s\" is %s, it must be %s", r->file, r->record, key, type_name(json_typeof(*value)),
                   type_name(type));
  return XR_OK;
}

static xr_status id_member(const reader *r, json_t *object, const char *key, int32_t *id) {
  json_t *value;
  XR_TRY(member(r, object, key, JSON_INTEGER, &value));
  json_int_t n = json_integer_value(value);
  if (n < 0 || n >= INT32_MAX)
    return xr_fail(XR_BAD_INPUT, "%s: record %zu: \"%s\" is %" JSON_INTEGER_FORMAT ", it must lie between 0 and 2147483646", r->file,
                   r->record, key, n);
  *id = (int32_t)n;
  return XR_OK;
}

static xr_status text_member(const reader *r, json_t *object, const char *key, const char **text) {
  json_t *value;
  XR_TRY(member(r, object, key, JSON_STRING, &value));
  *text = json_string_value(value);
  return XR_OK;
}

static xr_status expect_object(const reader *r, json_t *value) {
  if (json_is_object(value)) return XR_OK;
  return xr_fail(XR_BAD_INPUT, "%s: record %zu is %s, it must be an object", r->file, r->record, type_name(json_typeof(value)));
}

static xr_split_id split_of(reader *r, const char *name) {
  if (!strcmp(name, "train")) return XR_SPLIT_TRAIN;
  if (!strcmp(name, "test")) return XR_SPLIT_TEST;
  if (strcmp(name, "val") != 0 && !r->unknown++) {
    r->first_unknown = r->record;
    r->unknown_name = name;
  }
  return XR_SPLIT_VAL;
}

static xr_status add_caption(reader *r, xr_split_id split, size_t image, int32_t number, const char *text) {
  if (!text[strspn(text, " \t\r\n\v\f")] && !r->empty++) r->first_empty = r->record;
  return xr_build_caption(r->builder, split, image, number, text);
}

/* What was odd but usable. */
static void warn_of_records(const reader *r) {
  if (r->empty)
    xr_build_warn(r->builder, "empty-captions", r->empty, "%s: %zu captions are empty, the first in record %zu; they are used as they are",
                  r->file, r->empty, r->first_empty);
  if (r->unknown)
    xr_build_warn(
        r->builder, "unknown-split", r->unknown,
        "%s: the split of %zu records is not train, val or test but \"%s\" (record %zu) or the like; they count as val, as in the "
        "published code",
        r->file, r->unknown, r->unknown_name, r->first_unknown);
}

static const char *path_key_of(const json_t *record, const char *usual) {
  static const char *const keys[] = {"file_path", "img_path"};
  for (int i = 0; i < 2 && !json_object_get(record, usual); i++)
    if (json_object_get(record, keys[i])) return keys[i];
  return usual;
}

/* One image and its captions; `split` NULL: the record says it. */
static xr_status add_record(reader *r, json_t *record, const char *path_key, const xr_split_id *split) {
  XR_TRY(expect_object(r, record));
  const char *path, *split_name;
  json_t *captions, *caption;
  xr_image_record image = {.camera = -1, .modality = XR_MODALITY_VISIBLE};
  xr_split_id target;
  XR_TRY(id_member(r, record, "id", &image.pid));
  XR_TRY(text_member(r, record, path_key_of(record, path_key), &path));
  XR_TRY(member(r, record, "captions", JSON_ARRAY, &captions));
  if (split) {
    target = *split;
  } else {
    XR_TRY(text_member(r, record, "split", &split_name));
    target = split_of(r, split_name);
  }
  if (!json_array_size(captions)) return xr_fail(XR_BAD_INPUT, "%s: record %zu: \"captions\" is empty", r->file, r->record);
  const size_t place = r->builder->splits[target].image_count;
  XR_TRY(xr_build_image(r->builder, target, r->image_folder, path, image));
  size_t number;
  json_array_foreach(captions, number, caption) {
    if (!json_is_string(caption))
      return xr_fail(XR_BAD_INPUT, "%s: record %zu: caption %zu is %s, it must be a string", r->file, r->record, number,
                     type_name(json_typeof(caption)));
    XR_TRY(add_caption(r, target, place, (int32_t)number, json_string_value(caption)));
  }
  return XR_OK;
}

static bool any_has(json_t *records, const char *key) {
  size_t i;
  json_t *record;
  json_array_foreach(records, i, record) if (json_object_get(record, key)) return true;
  return false;
}

static xr_status add_records(reader *r, json_t *records, const xr_caption_schema *schema, const xr_split_id *split) {
  if (!json_is_array(records))
    return xr_fail(XR_BAD_INPUT, "%s: the file holds %s, it must hold an array of records", r->file, type_name(json_typeof(records)));
  if (!split && json_array_size(records) && !any_has(records, "split"))
    return xr_fail(XR_BAD_INPUT, "%s: no record has a \"split\": %s", r->file, schema->without_split);
  json_t *record;
  json_array_foreach(records, r->record, record) XR_TRY(add_record(r, record, schema->path_key, split));
  return XR_OK;
}

static xr_status read_records(xr_dataset_builder *builder, const char *file, const char *image_folder, const xr_caption_schema *schema,
                              const xr_split_id *split) {
  json_t *root;
  XR_TRY(parse_file(file, &root));
  reader r = {.builder = builder, .file = file, .image_folder = image_folder};
  xr_status status = add_records(&r, root, schema, split);
  if (status == XR_OK) warn_of_records(&r);
  json_decref(root);
  return status;
}

xr_status xr_read_caption_records(xr_dataset_builder *builder, const char *file, const char *image_folder,
                                  const xr_caption_schema *schema) {
  return read_records(builder, file, image_folder, schema, NULL);
}

xr_status xr_read_split_records(xr_dataset_builder *builder, const char *file, const char *image_folder, const xr_caption_schema *schema,
                                xr_split_id split) {
  return read_records(builder, file, image_folder, schema, &split);
}

/* What is known of an image by its image_id: {"image": place in the split, "captions": how many so far}. */
static xr_status add_annotation(reader *r, json_t *annotation, xr_split_id split, json_t *known) {
  XR_TRY(expect_object(r, annotation));
  const char *path, *text;
  int32_t image_id = 0;
  xr_image_record image = {.camera = -1, .modality = XR_MODALITY_VISIBLE};
  XR_TRY(id_member(r, annotation, "id", &image.pid));
  XR_TRY(id_member(r, annotation, "image_id", &image_id));
  XR_TRY(text_member(r, annotation, "file_path", &path));
  XR_TRY(text_member(r, annotation, "sentence", &text));
  char key[16];
  snprintf(key, sizeof key, "%d", image_id);
  const xr_split_builder *s = &r->builder->splits[split];
  json_t *seen = json_object_get(known, key);
  if (!seen) {
    seen = json_pack("{s:I, s:i}", "image", (json_int_t)s->image_count, "captions", 0);
    if (json_object_set_new(known, key, seen)) return xr_fail(XR_NO_MEMORY, "out of memory: %s", r->file);
    XR_TRY(xr_build_image(r->builder, split, r->image_folder, path, image));
  }
  const size_t place = (size_t)json_integer_value(json_object_get(seen, "image"));
  char joined[XR_PATH_MAX];
  XR_TRY(xr_path_join(joined, r->image_folder, path));
  if (s->images[place].pid != image.pid || strcmp(s->images[place].path, joined) != 0)
    return xr_fail(XR_BAD_INPUT, "%s: record %zu: image_id %d is %s of id %d here, but %s of id %d before", r->file, r->record, image_id,
                   joined, image.pid, s->images[place].path, s->images[place].pid);
  json_t *captions = json_object_get(seen, "captions");
  const json_int_t number = json_integer_value(captions);
  json_integer_set(captions, number + 1);
  return add_caption(r, split, place, (int32_t)number, text);
}

static xr_status add_annotations(reader *r, json_t *root, xr_split_id split, json_t *known) {
  json_t *annotations = json_object_get(root, "annotations"), *annotation;
  if (!json_is_array(annotations)) return xr_fail(XR_BAD_INPUT, "%s: the file must hold an object with an array \"annotations\"", r->file);
  json_array_foreach(annotations, r->record, annotation) XR_TRY(add_annotation(r, annotation, split, known));
  return XR_OK;
}

xr_status xr_read_caption_annotations(xr_dataset_builder *builder, const char *file, const char *image_folder, xr_split_id split) {
  json_t *root;
  XR_TRY(parse_file(file, &root));
  reader r = {.builder = builder, .file = file, .image_folder = image_folder};
  json_t *known = json_object();
  xr_status status = known ? add_annotations(&r, root, split, known) : xr_fail(XR_NO_MEMORY, "out of memory: %s", file);
  if (status == XR_OK) warn_of_records(&r);
  json_decref(known);
  json_decref(root);
  return status;
}
