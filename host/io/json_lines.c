#include "host/io/json_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"

struct xr_json_lines {
  int fd;
  bool failed; /* a member of the open object could not be kept */
  json_t *object;
  char path[XR_PATH_MAX];
};

/* ---- reading */

typedef struct {
  const char *path;
  char *text, *next, *end; /* end: after the last complete line */
  size_t line;
} lines_text;

static xr_status load_lines(lines_text *lines, const char *path) {
  size_t bytes;
  *lines = (lines_text){.path = path};
  xr_status status = xr_read_file(path, &lines->text, &bytes);
  if (status == XR_NOT_FOUND) return XR_OK;
  XR_TRY(status);
  const char *last = memrchr(lines->text, '\n', bytes);
  lines->next = lines->text;
  lines->end = last ? lines->text + (last - lines->text) + 1 : lines->text;
  return XR_OK;
}

/* The next line as an object (the caller releases it) and as text; *object is NULL after the last one. */
static xr_status next_line(lines_text *lines, json_t **object, const char **text, size_t *bytes) {
  *object = NULL;
  if (lines->next == lines->end) return XR_OK;
  char *newline = memchr(lines->next, '\n', (size_t)(lines->end - lines->next));
  *text = lines->next;
  *bytes = (size_t)(newline + 1 - lines->next);
  lines->next = newline + 1;
  lines->line++;
  json_error_t error;
  *object = json_loadb(*text, *bytes, 0, &error);
  if (!*object) return xr_fail(XR_BAD_INPUT, "%s:%zu: no JSON object: %s", lines->path, lines->line, error.text);
  if (json_is_object(*object)) return XR_OK;
  json_decref(*object);
  *object = NULL;
  return xr_fail(XR_BAD_INPUT, "%s:%zu: an array, an object is expected", lines->path, lines->line);
}

xr_status xr_json_lines_read(const char *path, json_t **array) {
  *array = NULL;
  lines_text lines;
  XR_TRY(load_lines(&lines, path));
  json_t *found = json_array(), *object = NULL;
  xr_status status = found ? XR_OK : xr_fail(XR_NO_MEMORY, "%s: out of memory", path);
  do {
    const char *text;
    size_t bytes;
    if (status == XR_OK) status = next_line(&lines, &object, &text, &bytes);
    if (status == XR_OK && object && json_array_append_new(found, object) < 0) status = xr_fail(XR_NO_MEMORY, "%s: out of memory", path);
  } while (status == XR_OK && object);
  free(lines.text);
  if (status == XR_OK)
    *array = found;
  else
    json_decref(found);
  return status;
}

xr_status xr_json_lines_keep(const char *path, const char *key, int64_t last) {
  lines_text lines;
  XR_TRY(load_lines(&lines, path));
  if (!lines.text) return XR_OK;
  char *end = lines.text; /* kept lines move to the front of the text */
  json_t *object = NULL;
  xr_status status;
  do {
    const char *text;
    size_t bytes;
    status = next_line(&lines, &object, &text, &bytes);
    if (!object) break;
    const json_t *number = json_object_get(object, key);
    if (!json_is_number(number) || json_number_value(number) <= (double)last) {
      memmove(end, text, bytes);
      end += bytes;
    }
    json_decref(object);
  } while (status == XR_OK);
  if (status == XR_OK) status = xr_write_file(path, lines.text, (size_t)(end - lines.text));
  free(lines.text);
  return status;
}

/* ---- writing */

static xr_status write_all(xr_json_lines *file, const char *text, size_t bytes) {
  while (bytes) {
    ssize_t n = write(file->fd, text, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return xr_fail(XR_IO, "%s: cannot write: %s", file->path, strerror(errno));
    text += n;
    bytes -= (size_t)n;
  }
  return XR_OK;
}

static xr_status remove_torn_line(xr_json_lines *file) {
  lines_text lines;
  XR_TRY(load_lines(&lines, file->path));
  off_t complete = lines.end - lines.text;
  free(lines.text);
  return ftruncate(file->fd, complete) < 0 ? xr_fail(XR_IO, "%s: cannot write: %s", file->path, strerror(errno)) : XR_OK;
}

xr_status xr_json_lines_open(xr_json_lines **out, const char *path) {
  *out = NULL;
  if (strlen(path) >= XR_PATH_MAX) return xr_fail(XR_BAD_INPUT, "%.60s...: the path is too long", path);
  xr_json_lines *file = calloc(1, sizeof *file);
  if (!file) return xr_fail(XR_NO_MEMORY, "%s: out of memory", path);
  memcpy(file->path, path, strlen(path) + 1);
  file->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  xr_status status = file->fd < 0 ? xr_fail(XR_IO, "%s: cannot write: %s", path, strerror(errno)) : remove_torn_line(file);
  if (status == XR_OK)
    *out = file;
  else
    xr_json_lines_close(file);
  return status;
}

xr_status xr_json_lines_close(xr_json_lines *file) {
  if (!file) return XR_OK;
  xr_status status = file->fd >= 0 && close(file->fd) < 0 ? xr_fail(XR_IO, "%s: cannot write: %s", file->path, strerror(errno)) : XR_OK;
  json_decref(file->object);
  free(file);
  return status;
}

static void set(xr_json_lines *file, const char *key, json_t *value) {
  if (!value || json_object_set_new(file->object, key, value) < 0) file->failed = true;
}

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

void xr_json_begin(xr_json_lines *file) {
  json_decref(file->object);
  file->object = json_object();
  file->failed = !file->object;
}

void xr_json_text(xr_json_lines *file, const char *key, const char *value) { set(file, key, json_string(value)); }
void xr_json_integer(xr_json_lines *file, const char *key, int64_t value) { set(file, key, json_integer(value)); }
void xr_json_number(xr_json_lines *file, const char *key, double value) { set(file, key, number(value)); }

void xr_json_numbers(xr_json_lines *file, const char *key, const double *values, size_t count) {
  json_t *array = json_array();
  for (size_t i = 0; i < count; i++)
    if (json_array_append_new(array, number(values[i])) < 0) file->failed = true;
  set(file, key, array);
}

xr_status xr_json_end(xr_json_lines *file) {
  char *text = file->failed ? NULL : json_dumps(file->object, JSON_COMPACT | JSON_REAL_PRECISION(17));
  json_decref(file->object);
  file->object = NULL;
  if (!text) return xr_fail(XR_BAD_ARGUMENT, "%s: a line cannot be written: no memory, or a text that is no UTF-8", file->path);
  size_t length = strlen(text);
  text[length] = '\n'; /* in place of the zero byte: one write for the whole line */
  xr_status status = write_all(file, text, length + 1);
  free(text);
  return status;
}
