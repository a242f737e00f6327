#include "host/eval/index_file.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kind[] = "xreid feature index";
enum { VERSION = 1 };

xr_status xr_index_shard_path(char *path, const char *folder, size_t number) {
  char name[48];
  snprintf(name, sizeof name, "shard-%06zu.safetensors", number);
  return xr_path_join(path, folder, name);
}

void xr_index_file_free(xr_index_file *f) {
  free(f->shards);
  xr_arena_free(f->arena);
  *f = (xr_index_file){0};
}

/* ---- writing */
static json_t *facts_of(const xr_index_form *form) {
  json_t *model = json_object();
  for (size_t i = 0; i < form->facts; i++) json_object_set_new(model, form->model[i].name, json_string(form->model[i].value));
  return model;
}

static json_t *checksum_text(uint32_t checksum) {
  char text[16];
  snprintf(text, sizeof text, "%08" PRIx32, checksum);
  return json_string(text);
}

static json_t *shards_of(const xr_index_file *f) {
  json_t *shards = json_array();
  for (size_t i = 0; i < f->shard_count; i++) {
    const xr_index_shard_record *s = &f->shards[i];
    json_array_append_new(shards, json_pack("{s:I, s:I, s:I, s:o}", "rows", (json_int_t)s->rows, "skipped", (json_int_t)s->skipped, "bytes",
                                            (json_int_t)s->bytes, "crc32", checksum_text(s->checksum)));
  }
  return shards;
}

xr_status xr_index_file_write(const xr_index_file *f, const char *folder) {
  char path[XR_PATH_MAX];
  XR_TRY(xr_path_join(path, folder, "index.json"));
  json_t *root = json_pack("{s:s, s:i, s:o, s:I, s:I, s:s, s:I, s:s}", "kind", kind, "version", VERSION, "model", facts_of(&f->form),
                           "width", (json_int_t)f->form.width, "set_size", (json_int_t)f->form.set_size, "storage",
                           xr_dtype_name(f->form.storage), "shard_entries", (json_int_t)f->form.shard_entries, "folder", f->folder);
  if (root && f->has_list)
    json_object_set_new(root, "list",
                        json_pack("{s:I, s:o}", "entries", (json_int_t)f->list.entries, "crc32", checksum_text(f->list.checksum)));
  if (root) json_object_set_new(root, "shards", shards_of(f));
  char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
  json_decref(root);
  if (!text) return xr_fail(XR_BAD_INPUT, "%s: cannot be written: a name is no UTF-8 text, or there is no memory", path);
  xr_status status = xr_write_file(path, text, strlen(text));
  free(text);
  return status;
}

/* ---- reading */
static xr_status read_checksum(json_t *object, uint32_t *checksum) {
  const char *text = json_string_value(json_object_get(object, "crc32"));
  char *end = NULL;
  const unsigned long value = text && strlen(text) == 8 ? strtoul(text, &end, 16) : 0;
  if (!end || *end) return xr_fail(XR_BAD_INPUT, "\"crc32\" holds no 8 hexadecimal digits");
  *checksum = (uint32_t)value;
  return XR_OK;
}

static xr_status read_count(json_t *object, const char *key, int64_t least, int64_t most, int64_t *value) {
  json_t *number = json_object_get(object, key);
  *value = json_integer_value(number);
  if (!json_is_integer(number) || *value < least || *value > most)
    return xr_fail(XR_BAD_INPUT, "\"%s\" is no whole number from %" PRId64 " to %" PRId64, key, least, most);
  return XR_OK;
}

static xr_status read_model(xr_index_file *f, json_t *root) {
  json_t *model = json_object_get(root, "model"), *value;
  const char *name;
  if (!json_is_object(model) || json_object_size(model) > XR_INDEX_FACTS)
    return xr_fail(XR_BAD_INPUT, "\"model\" is no object of at most %d members", XR_INDEX_FACTS);
  json_object_foreach(model, name, value) {
    if (!json_is_string(value)) return xr_fail(XR_BAD_INPUT, "\"model\": \"%.60s\" is no text", name);
    xr_index_fact *fact = &f->form.model[f->form.facts++];
    *fact = (xr_index_fact){xr_arena_copy(f->arena, name), xr_arena_copy(f->arena, json_string_value(value))};
    if (!fact->name || !fact->value) return XR_NO_MEMORY;
  }
  return XR_OK;
}

static xr_status read_shards(xr_index_file *f, json_t *root) {
  json_t *shards = json_object_get(root, "shards"), *entry;
  size_t i;
  int64_t entries = 0;
  if (!json_is_array(shards)) return xr_fail(XR_BAD_INPUT, "\"shards\" is no list");
  json_array_foreach(shards, i, entry) {
    xr_index_shard_record s;
    XR_TRY(xr_grow((void **)&f->shards, &f->shard_room, f->shard_count, sizeof *f->shards));
    xr_status status = read_count(entry, "rows", 0, f->form.shard_entries, &s.rows);
    if (status == XR_OK) status = read_count(entry, "skipped", 0, f->form.shard_entries - s.rows, &s.skipped);
    if (status == XR_OK) status = read_count(entry, "bytes", 1, INT64_MAX, &s.bytes);
    if (status == XR_OK) status = read_checksum(entry, &s.checksum);
    if (status != XR_OK) return xr_fail_in(status, "shard %zu", i);
    f->shards[f->shard_count++] = s;
    entries += s.rows + s.skipped;
  }
  if (f->has_list && entries > f->list.entries)
    return xr_fail(XR_BAD_INPUT, "the shards hold %" PRId64 " entries of a list of %" PRId64, entries, f->list.entries);
  return XR_OK;
}

static xr_status read_root(xr_index_file *f, json_t *root) {
  int64_t version;
  const char *storage = json_string_value(json_object_get(root, "storage")), *folder = json_string_value(json_object_get(root, "folder"));
  const char *found = json_string_value(json_object_get(root, "kind"));
  if (!found || strcmp(found, kind) != 0) return xr_fail(XR_BAD_INPUT, "is no \"%s\"", kind);
  XR_TRY(read_count(root, "version", 1, INT64_MAX, &version));
  if (version != VERSION)
    return xr_fail(XR_UNSUPPORTED, "version %" PRId64 " of the format; this program reads %d: make the index anew", version, VERSION);
  XR_TRY(read_count(root, "width", 1, 1 << 20, &f->form.width));
  XR_TRY(read_count(root, "set_size", 0, 1 << 10, &f->form.set_size));
  XR_TRY(read_count(root, "shard_entries", 1, XR_INDEX_MAX_SHARD, &f->form.shard_entries));
  f->form.storage = storage && strcmp(storage, "bf16") == 0 ? XR_BF16 : XR_F32;
  if (!storage || strcmp(storage, xr_dtype_name(f->form.storage)) != 0) return xr_fail(XR_BAD_INPUT, "\"storage\" is not f32 or bf16");
  if (!folder) return xr_fail(XR_BAD_INPUT, "\"folder\" is missing");
  f->folder = xr_arena_copy(f->arena, folder);
  if (!f->folder) return XR_NO_MEMORY;
  json_t *list = json_object_get(root, "list");
  f->has_list = list != NULL;
  if (list) {
    XR_TRY(read_count(list, "entries", 0, INT64_MAX, &f->list.entries));
    XR_TRY(read_checksum(list, &f->list.checksum));
  }
  XR_TRY(read_model(f, root));
  return read_shards(f, root);
}

xr_status xr_index_file_read(xr_index_file *f, const char *folder) {
  char path[XR_PATH_MAX], *text;
  size_t size;
  json_error_t error;
  *f = (xr_index_file){0};
  XR_TRY(xr_path_join(path, folder, "index.json"));
  XR_TRY(xr_read_file(path, &text, &size));
  json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
  free(text);
  if (!root) return xr_fail(XR_BAD_INPUT, "%s:%d: %s", path, error.line, error.text);
  f->arena = xr_arena_new();
  xr_status status = f->arena ? read_root(f, root) : XR_NO_MEMORY;
  json_decref(root);
  if (status == XR_OK) return XR_OK;
  xr_index_file_free(f);
  return xr_fail_in(status, "%s", path);
}

/* ---- identities */
static const char *value_of(const xr_index_fact *model, size_t facts, const char *name) {
  for (size_t i = 0; i < facts; i++)
    if (strcmp(model[i].name, name) == 0) return model[i].value;
  return NULL;
}

static xr_status differs(const char *folder, const char *name, const char *stored, const char *here, const char *remedy) {
  return xr_fail(XR_BAD_INPUT, "%s was made by another model: its %s: \"%s\", here: \"%s\"; %s", folder, name,
                 stored ? stored : "not known", here ? here : "not known", remedy);
}

xr_status xr_index_compare(const char *folder, const xr_index_form *stored, const xr_index_fact *model, size_t facts, const char *remedy) {
  for (size_t i = 0; i < stored->facts; i++) {
    const char *here = value_of(model, facts, stored->model[i].name);
    if (!here || strcmp(here, stored->model[i].value) != 0)
      return differs(folder, stored->model[i].name, stored->model[i].value, here, remedy);
  }
  for (size_t i = 0; i < facts; i++)
    if (!value_of(stored->model, stored->facts, model[i].name)) return differs(folder, model[i].name, NULL, model[i].value, remedy);
  return XR_OK;
}
