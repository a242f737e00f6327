#include "host/io/npy.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/base/memory.h"

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

enum { HEADER_LIMIT = 1 << 20, HEADER_ALIGNMENT = 64 };

static const struct {
  const char *name;
  xr_dtype dtype;
} element_types[] = {{"<f4", XR_F32}, {"<f8", XR_F64}, {"<f2", XR_F16}, {"<i4", XR_I32}, {"<i8", XR_I64}, {"|u1", XR_U8}, {"|b1", XR_U8}};

enum { ELEMENT_TYPES = sizeof element_types / sizeof *element_types };

/* The header is a Python dictionary of three known entries: just enough of a reader for that. */
typedef struct {
  const char *at, *end;
} cursor;

static void skip_spaces(cursor *c) {
  while (c->at < c->end && isspace((unsigned char)*c->at)) c->at++;
}

static bool take(cursor *c, const char *word) {
  skip_spaces(c);
  size_t length = strlen(word);
  if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0) return false;
  c->at += length;
  return true;
}

static bool take_string(cursor *c, char *out, size_t size) {
  skip_spaces(c);
  if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
  char quote = *c->at++;
  size_t n = 0;
  for (; c->at < c->end && *c->at != quote; c->at++)
    if (n + 1 < size) out[n++] = *c->at;
  out[n] = '\0';
  return c->at++ < c->end;
}

static xr_status take_dtype(cursor *c, xr_npy *f) {
  char name[24];
  skip_spaces(c);
  if (c->at < c->end && *c->at == '[') return xr_fail(XR_UNSUPPORTED, "holds records (a structured array); save one plain array");
  if (!take_string(c, name, sizeof name)) return xr_fail(XR_BAD_INPUT, "the header's element type cannot be read");
  for (int i = 0; i < ELEMENT_TYPES; i++)
    if (strcmp(element_types[i].name, name) == 0) {
      f->dtype = element_types[i].dtype;
      return XR_OK;
    }
  if (name[0] == '>') return xr_fail(XR_UNSUPPORTED, "its elements (%s) are big-endian; save them little-endian", name);
  return xr_fail(XR_UNSUPPORTED, "element type %s is not supported: float32, float64, float16, int32, int64, uint8 and bool are", name);
}

static xr_status take_order(cursor *c) {
  if (take(c, "False")) return XR_OK;
  if (take(c, "True")) return xr_fail(XR_UNSUPPORTED, "is in Fortran order; save numpy.ascontiguousarray of it");
  return xr_fail(XR_BAD_INPUT, "the header's fortran_order cannot be read");
}

static xr_status take_shape(cursor *c, xr_npy *f) {
  if (!take(c, "(")) return xr_fail(XR_BAD_INPUT, "the header's shape cannot be read");
  f->rank = 0;
  while (!take(c, ")")) {
    if (f->rank == XR_MAX_STORED_RANK) return xr_fail(XR_UNSUPPORTED, "has more than %d dimensions", XR_MAX_STORED_RANK);
    int64_t size = 0;
    const char *start = c->at;
    for (; c->at < c->end && isdigit((unsigned char)*c->at); c->at++)
      if (__builtin_mul_overflow(size, 10, &size) || __builtin_add_overflow(size, *c->at - '0', &size))
        return xr_fail(XR_BAD_INPUT, "the shape is too large");
    if (c->at == start) return xr_fail(XR_BAD_INPUT, "the header's shape cannot be read");
    f->dim[f->rank++] = size;
    if (!take(c, ",") && !(skip_spaces(c), c->at < c->end && *c->at == ')'))
      return xr_fail(XR_BAD_INPUT, "the header's shape cannot be read");
    skip_spaces(c);
  }
  return XR_OK;
}

static xr_status parse_header(xr_npy *f, const char *text, size_t length) {
  cursor c = {text, text + length};
  if (!take(&c, "{")) return xr_fail(XR_BAD_INPUT, "the header is no dictionary");
  bool dtype = false, order = false, shape = false;
  while (!take(&c, "}")) {
    char key[24];
    if (!take_string(&c, key, sizeof key) || !take(&c, ":")) return xr_fail(XR_BAD_INPUT, "the header is no dictionary");
    if (strcmp(key, "descr") == 0) {
      XR_TRY(take_dtype(&c, f));
      dtype = true;
    } else if (strcmp(key, "fortran_order") == 0) {
      XR_TRY(take_order(&c));
      order = true;
    } else if (strcmp(key, "shape") == 0) {
      XR_TRY(take_shape(&c, f));
      shape = true;
    } else {
      return xr_fail(XR_BAD_INPUT, "the header has an unknown entry '%s'", key);
    }
    take(&c, ",");
  }
  if (!dtype || !order || !shape) return xr_fail(XR_BAD_INPUT, "the header lacks descr, fortran_order or shape");
  return XR_OK;
}

static xr_status set_data(xr_npy *f, size_t start) {
  size_t bytes = xr_dtype_bytes(f->dtype), element = bytes;
  for (int i = 0; i < f->rank; i++)
    if (__builtin_mul_overflow(bytes, (size_t)f->dim[i], &bytes) || bytes > INT64_MAX)
      return xr_fail(XR_BAD_INPUT, "the shape is too large");
  size_t present = f->map_bytes - start;
  if (present != bytes)
    return xr_fail(XR_BAD_INPUT, "%s: its header announces %zu bytes of data, %zu are there",
                   present < bytes ? "is cut short" : "has bytes after its data", bytes, present);
  f->count = (int64_t)(bytes / element);
  f->data = (const char *)f->map + start;
  if (start % element) { /* headers of other writers need not align the data */
    f->copy = xr_block_alloc(bytes);
    if (!f->copy) return XR_NO_MEMORY;
    f->data = memcpy(f->copy, f->data, bytes);
  }
  return XR_OK;
}

static xr_status read_all(xr_npy *f) {
  const unsigned char *bytes = f->map;
  if (f->map_bytes < 10 || memcmp(bytes, magic, sizeof magic) != 0)
    return xr_fail(XR_BAD_INPUT, "is no npy file (%zu bytes without its mark)", f->map_bytes);
  int major = bytes[6];
  if (major < 1 || major > 3) return xr_fail(XR_UNSUPPORTED, "npy version %d.%d; 1.0 to 3.0 are supported", major, bytes[7]);
  size_t start = major == 1 ? 10 : 12, length = bytes[8] | (size_t)bytes[9] << 8;
  if (major > 1 && f->map_bytes >= start) length |= (size_t)bytes[10] << 16 | (size_t)bytes[11] << 24;
  if (f->map_bytes < start || length > f->map_bytes - start)
    return xr_fail(XR_BAD_INPUT, "is cut short within its header of %zu bytes", length);
  if (length > HEADER_LIMIT) return xr_fail(XR_BAD_INPUT, "its header of %zu bytes is too long", length);
  XR_TRY(parse_header(f, (const char *)bytes + start, length));
  return set_data(f, start + length);
}

static xr_status map_file(xr_npy *f, const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat info;
  xr_status status = XR_OK;
  if (fd < 0 || fstat(fd, &info) < 0) {
    status = xr_fail(errno == ENOENT ? XR_NOT_FOUND : XR_IO, "%s", strerror(errno));
  } else if (!S_ISREG(info.st_mode)) {
    status = xr_fail(XR_BAD_INPUT, "is no file");
  } else if (info.st_size > 0) {
    void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
      status = xr_fail(XR_IO, "%s", strerror(errno));
    } else {
      f->map = map;
      f->map_bytes = (size_t)info.st_size;
    }
  }
  if (fd >= 0) close(fd);
  return status;
}

xr_status xr_npy_open(xr_npy **file, const char *path) {
  *file = NULL;
  xr_npy *f = calloc(1, sizeof *f);
  if (!f) return xr_fail(XR_NO_MEMORY, "%s: out of memory", path);
  xr_status status = map_file(f, path);
  if (status == XR_OK) status = read_all(f);
  if (status != XR_OK) {
    xr_npy_close(f);
    return xr_fail_in(status, "%s", path);
  }
  *file = f;
  return XR_OK;
}

void xr_npy_close(xr_npy *file) {
  if (!file) return;
  if (file->map) munmap(file->map, file->map_bytes);
  xr_block_free(file->copy);
  free(file);
}

void xr_npy_advance(const xr_npy *file, size_t offset, size_t done, size_t next) {
  if (file->copy || !file->map) return;
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), map = (uintptr_t)file->map, map_end = map + file->map_bytes;
  const uintptr_t from = ((uintptr_t)file->data + offset) / page * page, to = ((uintptr_t)file->data + offset + done) / page * page;
  uintptr_t end = to + next;
  if (end > map_end) end = map_end;
  if (to > from && from >= map) madvise((void *)from, to - from, MADV_DONTNEED); /* advice: nothing is lost when it is not taken */
  if (end > to) madvise((void *)to, end - to, MADV_WILLNEED);
}

void xr_npy_to_f32(const xr_npy *file, float *out) {
  xr_stored_tensor flat = {.dtype = file->dtype, .rank = 1, .dim = {file->count}, .data = file->data};
  xr_stored_to_f32(&flat, out);
}

xr_status xr_npy_write(const char *path, xr_dtype dtype, int rank, const int64_t *dim, const void *data) {
  int type = 0;
  while (type < ELEMENT_TYPES && element_types[type].dtype != dtype) type++;
  if (type == ELEMENT_TYPES) return xr_fail(XR_UNSUPPORTED, "%s: npy has no element type %s; write f32", path, xr_dtype_name(dtype));
  if (rank < 0 || rank > XR_MAX_STORED_RANK)
    return xr_fail(XR_BAD_ARGUMENT, "%s: %d dimensions, at most %d can be written", path, rank, XR_MAX_STORED_RANK);
  char shape[XR_MAX_STORED_RANK * 24] = "", header[sizeof shape + 128];
  size_t used = 0, bytes = xr_dtype_bytes(dtype);
  for (int i = 0; i < rank; i++) {
    used += (size_t)snprintf(shape + used, sizeof shape - used, i ? " %" PRId64 "," : "%" PRId64 ",", dim[i]);
    bytes *= (size_t)dim[i];
  }
  if (rank > 1) shape[used - 1] = '\0'; /* (3,) but (3, 4) */
  const size_t prefix = sizeof magic + 4;
  size_t length = (size_t)snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                                   element_types[type].name, shape);
  while ((prefix + length + 1) % HEADER_ALIGNMENT) header[length++] = ' ';
  header[length++] = '\n';
  const unsigned char version[4] = {1, 0, (unsigned char)(length & 255), (unsigned char)(length >> 8)};
  xr_replacement out;
  XR_TRY(xr_replace_begin(&out, path));
  xr_status status = xr_replace_write(&out, magic, sizeof magic);
  if (status == XR_OK) status = xr_replace_write(&out, version, sizeof version);
  if (status == XR_OK) status = xr_replace_write(&out, header, length);
  if (status == XR_OK) status = xr_replace_write(&out, data, bytes);
  if (status == XR_OK) return xr_replace_commit(&out);
  xr_replace_cancel(&out);
  return status;
}
