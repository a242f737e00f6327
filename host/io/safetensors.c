#include "host/io/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/base/memory.h"

enum { HEADER_LIMIT = 100 * 1000 * 1000 };

struct xr_safetensors {
  xr_arena *arena;
  void *map;
  size_t map_bytes;
  xr_stored_tensor *tensors, **by_name;
  size_t count;
  xr_metadata *metadata;
  size_t metadata_count;
};

static const char *const stored_name[XR_DTYPES] = {
    [XR_F32] = "F32", [XR_BF16] = "BF16", [XR_I32] = "I32", [XR_U8] = "U8", [XR_F16] = "F16", [XR_F64] = "F64", [XR_I64] = "I64"};

int64_t xr_stored_elements(const xr_stored_tensor *tensor) {
  int64_t n = 1;
  for (int i = 0; i < tensor->rank; i++) n *= tensor->dim[i];
  return n;
}

static float half_to_f32(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 0x3ffu;
  if (exponent == 0) { /* zero or subnormal: fraction * 2^-24 */
    float f = (float)fraction * 0x1p-24f;
    return sign ? -f : f;
  }
  uint32_t bits = sign | (exponent == 31 ? 0x7f800000u : (exponent + 112u) << 23) | fraction << 13;
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

#define CONVERT(type, expression)                                            \
  for (int64_t i = 0; i < n; i++) {                                          \
    type x;                                                                  \
    memcpy(&x, (const char *)tensor->data + (size_t)i * sizeof x, sizeof x); \
    out[i] = expression;                                                     \
  }                                                                          \
  break

void xr_stored_to_f32(const xr_stored_tensor *tensor, float *out) {
  int64_t n = xr_stored_elements(tensor);
  switch (tensor->dtype) {
  case XR_F32:
    memcpy(out, tensor->data, (size_t)n * sizeof *out);
    break;
  case XR_BF16:
    CONVERT(xr_bf16, xr_bf16_to_f32(x));
  case XR_F16:
    CONVERT(uint16_t, half_to_f32(x));
  case XR_F64:
    CONVERT(double, (float)x);
  case XR_I32:
    CONVERT(int32_t, (float)x);
  case XR_I64:
    CONVERT(int64_t, (float)x);
  case XR_U8:
    CONVERT(uint8_t, (float)x);
  case XR_DTYPES:
    break;
  }
}

static int compare_names(const void *a, const void *b) {
  return strcmp((*(xr_stored_tensor *const *)a)->name, (*(xr_stored_tensor *const *)b)->name);
}

static int compare_places(const void *a, const void *b) {
  const xr_stored_tensor *x = a, *y = b;
  if (x->data != y->data) return x->data < y->data ? -1 : 1;
  return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* an empty tensor stands before the one at its place */
}

/* One entry of the header: {"dtype": .., "shape": [..], "data_offsets": [begin, end]}. */
static xr_status parse_entry(xr_stored_tensor *t, json_t *entry, const char *data, size_t data_bytes) {
  const char *dtype;
  json_t *shape, *offsets;
  if (json_unpack(entry, "{s:s, s:o, s:o}", "dtype", &dtype, "shape", &shape, "data_offsets", &offsets) || !json_is_array(shape) ||
      !json_is_array(offsets) || json_array_size(offsets) != 2)
    return xr_fail(XR_BAD_INPUT, "needs dtype, shape and two data_offsets");
  int kind = 0;
  while (kind < XR_DTYPES && strcmp(stored_name[kind], dtype) != 0) kind++;
  if (kind == XR_DTYPES) return xr_fail(XR_UNSUPPORTED, "the dtype %.20s is not supported", dtype);
  t->dtype = (xr_dtype)kind;
  if (json_array_size(shape) > XR_MAX_STORED_RANK)
    return xr_fail(XR_UNSUPPORTED, "%zu dimensions, at most %d are supported", json_array_size(shape), XR_MAX_STORED_RANK);
  t->rank = (int)json_array_size(shape);
  size_t bytes = xr_dtype_bytes(t->dtype);
  for (int i = 0; i < t->rank; i++) {
    json_t *d = json_array_get(shape, (size_t)i);
    if (!json_is_integer(d) || json_integer_value(d) < 0) return xr_fail(XR_BAD_INPUT, "the shape holds something that is no size");
    t->dim[i] = json_integer_value(d);
    if (__builtin_mul_overflow(bytes, (size_t)t->dim[i], &bytes)) return xr_fail(XR_BAD_INPUT, "the shape is too large");
  }
  json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
  json_int_t begin = json_integer_value(first), end = json_integer_value(last);
  if (!json_is_integer(first) || !json_is_integer(last) || begin < 0 || end < begin || (size_t)end > data_bytes)
    return xr_fail(XR_BAD_INPUT,
                   "data_offsets [%" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT "] do not lie within the %zu bytes of data", begin, end,
                   data_bytes);
  if ((size_t)(end - begin) != bytes)
    return xr_fail(XR_BAD_INPUT, "its shape needs %zu bytes, its data_offsets span %" JSON_INTEGER_FORMAT, bytes, end - begin);
  t->data = data + begin;
  t->bytes = bytes;
  return XR_OK;
}

static xr_status parse_header(xr_safetensors *f, json_t *header, const char *data, size_t data_bytes) {
  size_t entries = json_object_size(header);
  f->tensors = XR_NEW_ARRAY(f->arena, xr_stored_tensor, entries + 1);
  f->by_name = XR_NEW_ARRAY(f->arena, xr_stored_tensor *, entries + 1);
  if (!f->tensors || !f->by_name) return XR_NO_MEMORY;
  const char *key;
  json_t *value;
  json_object_foreach(header, key, value) {
    if (strcmp(key, "__metadata__") == 0) {
      f->metadata = XR_NEW_ARRAY(f->arena, xr_metadata, json_object_size(value) + 1);
      if (!f->metadata) return XR_NO_MEMORY;
      const char *name;
      json_t *text;
      json_object_foreach(value, name, text) {
        if (!json_is_string(text)) return xr_fail(XR_BAD_INPUT, "the metadata entry %.60s is no text", name);
        f->metadata[f->metadata_count++] = (xr_metadata){xr_arena_copy(f->arena, name), xr_arena_copy(f->arena, json_string_value(text))};
      }
      continue;
    }
    xr_stored_tensor *t = &f->tensors[f->count++];
    t->name = xr_arena_copy(f->arena, key);
    if (!t->name) return XR_NO_MEMORY;
    xr_status status = parse_entry(t, value, data, data_bytes);
    if (status != XR_OK) return xr_fail_in(status, "tensor %.100s", key);
  }
  qsort(f->tensors, f->count, sizeof *f->tensors, compare_places);
  const char *expected = data;
  for (size_t i = 0; i < f->count; i++) {
    xr_stored_tensor *t = &f->tensors[i];
    if ((const char *)t->data != expected)
      return xr_fail(XR_BAD_INPUT, "tensor %.100s: its data %s", t->name,
                     (const char *)t->data < expected ? "overlaps another tensor's" : "leaves a hole before it");
    expected += t->bytes;
    f->by_name[i] = t;
  }
  if (expected != data + data_bytes)
    return xr_fail(XR_BAD_INPUT, "%zu bytes at the end belong to no tensor", (size_t)(data + data_bytes - expected));
  qsort(f->by_name, f->count, sizeof *f->by_name, compare_names);
  return XR_OK;
}

static xr_status read_all(xr_safetensors *f) {
  if (f->map_bytes < 8) return xr_fail(XR_BAD_INPUT, "is no safetensors file: %zu bytes", f->map_bytes);
  uint64_t header_bytes;
  memcpy(&header_bytes, f->map, sizeof header_bytes);
  if (header_bytes > HEADER_LIMIT || header_bytes > f->map_bytes - 8)
    return xr_fail(XR_BAD_INPUT, "is cut short or no safetensors file: a header of %" PRIu64 " bytes is announced, %zu bytes follow",
                   header_bytes, f->map_bytes - 8);
  json_error_t error;
  json_t *header = json_loadb((const char *)f->map + 8, (size_t)header_bytes, JSON_REJECT_DUPLICATES, &error);
  if (!header) return xr_fail(XR_BAD_INPUT, "the header is no valid JSON: byte %d: %s", error.position + 8, error.text);
  xr_status status = json_is_object(header)
                         ? parse_header(f, header, (const char *)f->map + 8 + header_bytes, f->map_bytes - 8 - (size_t)header_bytes)
                         : xr_fail(XR_BAD_INPUT, "the header is no JSON object");
  json_decref(header);
  return status;
}

xr_status xr_safetensors_open(xr_safetensors **file, const char *path) {
  *file = NULL;
  xr_arena *arena = xr_arena_new();
  xr_safetensors *f = arena ? XR_NEW(arena, xr_safetensors) : NULL;
  if (!f) {
    xr_arena_free(arena);
    return XR_NO_MEMORY;
  }
  f->arena = arena;
  xr_status status = XR_OK;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) < 0) {
    status = xr_fail(errno == ENOENT ? XR_NOT_FOUND : XR_IO, "%s", strerror(errno));
  } else if (!S_ISREG(info.st_mode)) {
    status = xr_fail(XR_BAD_INPUT, "is no file");
  } else if (info.st_size > 0) {
    void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
      status = xr_fail(XR_IO, "%s", strerror(errno));
    else {
      f->map = map;
      f->map_bytes = (size_t)info.st_size;
    }
  }
  if (fd >= 0) close(fd);
  if (status == XR_OK) status = read_all(f);
  if (status != XR_OK) {
    xr_safetensors_close(f);
    return xr_fail_in(status, "%s", path);
  }
  *file = f;
  return XR_OK;
}

void xr_safetensors_close(xr_safetensors *file) {
  if (!file) return;
  if (file->map) munmap(file->map, file->map_bytes);
  xr_arena_free(file->arena);
}

size_t xr_safetensors_count(const xr_safetensors *file) { return file->count; }
const xr_stored_tensor *xr_safetensors_at(const xr_safetensors *file, size_t index) { return &file->tensors[index]; }

const xr_stored_tensor *xr_safetensors_find(const xr_safetensors *file, const char *name) {
  xr_stored_tensor key = {.name = name}, *pointer = &key;
  xr_stored_tensor **found = bsearch(&pointer, file->by_name, file->count, sizeof *file->by_name, compare_names);
  return found ? *found : NULL;
}

void xr_safetensors_forget(const xr_safetensors *file, const xr_stored_tensor *tensor) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), first = (size_t)((const char *)tensor->data - (const char *)file->map) / page * page;
  const size_t end = (size_t)((const char *)tensor->data - (const char *)file->map) + tensor->bytes;
  madvise((char *)file->map + first, end - first, MADV_DONTNEED);
}

const void *xr_safetensors_bytes(const xr_safetensors *file, size_t *bytes) {
  *bytes = file->map_bytes;
  return file->map;
}

void xr_safetensors_read_ahead(const xr_safetensors *file) { madvise(file->map, file->map_bytes, MADV_WILLNEED); }

const char *xr_safetensors_metadata(const xr_safetensors *file, const char *key) {
  for (size_t i = 0; i < file->metadata_count; i++)
    if (strcmp(file->metadata[i].key, key) == 0) return file->metadata[i].value;
  return NULL;
}

static char *make_header(const xr_stored_tensor *tensors, size_t count, const xr_metadata *metadata, size_t metadata_count) {
  json_t *header = json_object(), *table = json_object();
  for (size_t i = 0; i < metadata_count; i++) json_object_set_new(table, metadata[i].key, json_string(metadata[i].value));
  if (metadata_count) json_object_set(header, "__metadata__", table);
  json_decref(table);
  size_t offset = 0;
  for (size_t i = 0; i < count; i++) {
    json_t *shape = json_array();
    for (int d = 0; d < tensors[i].rank; d++) json_array_append_new(shape, json_integer(tensors[i].dim[d]));
    json_object_set_new(header, tensors[i].name,
                        json_pack("{s:s, s:o, s:[I, I]}", "dtype", stored_name[tensors[i].dtype], "shape", shape, "data_offsets",
                                  (json_int_t)offset, (json_int_t)(offset + tensors[i].bytes)));
    offset += tensors[i].bytes;
  }
  char *text = json_object_size(header) == count + (metadata_count > 0) ? json_dumps(header, JSON_COMPACT) : NULL;
  json_decref(header);
  return text;
}

xr_status xr_safetensors_write(const char *path, const xr_stored_tensor *tensors, size_t count, const xr_metadata *metadata,
                               size_t metadata_count) {
  char *text = make_header(tensors, count, metadata, metadata_count);
  if (!text) return xr_fail(XR_BAD_ARGUMENT, "%s: cannot write: a name occurs twice or is no UTF-8 text", path);
  size_t length = strlen(text), padded = (length + 7) / 8 * 8; /* data starts at a multiple of 8 */
  uint64_t header_bytes = padded;
  xr_replacement out;
  xr_status status = xr_replace_begin(&out, path);
  if (status == XR_OK) {
    status = xr_replace_write(&out, &header_bytes, sizeof header_bytes);
    if (status == XR_OK) status = xr_replace_write(&out, text, length);
    if (status == XR_OK) status = xr_replace_write(&out, "       ", padded - length);
    for (size_t i = 0; i < count && status == XR_OK; i++) status = xr_replace_write(&out, tensors[i].data, tensors[i].bytes);
    if (status == XR_OK)
      status = xr_replace_commit(&out);
    else
      xr_replace_cancel(&out);
  }
  free(text);
  return status;
}
