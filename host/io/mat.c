#include "host/io/mat.h"

#include <math.h>
#include <matio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"

enum { MAX_DEPTH = 8 };

typedef struct {
  xr_arena *arena;
  const char *path, *variable;
} reader;

static xr_status unusable(const reader *r, const char *what) { return xr_fail(XR_BAD_INPUT, "%s: %s %s", r->path, r->variable, what); }

static double element(const matvar_t *v, size_t i) {
  switch (v->class_type) {
  case MAT_C_DOUBLE:
    return ((const double *)v->data)[i];
  case MAT_C_SINGLE:
    return ((const float *)v->data)[i];
  case MAT_C_INT8:
    return ((const int8_t *)v->data)[i];
  case MAT_C_UINT8:
    return ((const uint8_t *)v->data)[i];
  case MAT_C_INT16:
    return ((const int16_t *)v->data)[i];
  case MAT_C_UINT16:
    return ((const uint16_t *)v->data)[i];
  case MAT_C_INT32:
    return ((const int32_t *)v->data)[i];
  case MAT_C_UINT32:
    return ((const uint32_t *)v->data)[i];
  case MAT_C_INT64:
    return (double)((const int64_t *)v->data)[i];
  case MAT_C_UINT64:
    return (double)((const uint64_t *)v->data)[i];
  default:
    return NAN;
  }
}

static bool is_numeric(const matvar_t *v) { return v->class_type >= MAT_C_DOUBLE && v->class_type <= MAT_C_UINT64 && !v->isComplex; }

static xr_status take_numbers(const reader *r, const matvar_t *v, size_t count, xr_mat_value *out) {
  int32_t *number = XR_NEW_ARRAY(r->arena, int32_t, count);
  if (!number) return XR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) {
    const double x = element(v, i);
    if (!(x >= INT32_MIN && x <= INT32_MAX) || x != floor(x))
      return xr_fail(XR_BAD_INPUT, "%s: %s holds %g, which is no whole number of 32 bits", r->path, r->variable, x);
    number[i] = (int32_t)x;
  }
  out->number = number;
  return XR_OK;
}

static xr_status take(const reader *r, matvar_t *v, int depth, xr_mat_value *out) {
  static const int32_t none[1];
  *out = (xr_mat_value){.number = none};
  if (!v || v->class_type == MAT_C_EMPTY) return XR_OK; /* an empty place of a cell array */
  if (v->rank != 2 || !v->dims) return unusable(r, "has more than two dimensions");
  const size_t rows = v->dims[0], columns = v->dims[1];
  if (rows && columns > SIZE_MAX / 64 / rows) return unusable(r, "says that it is larger than any memory");
  const size_t count = rows * columns;
  *out = (xr_mat_value){.rows = rows, .columns = columns, .number = none};
  if (v->class_type != MAT_C_CELL) {
    if (!is_numeric(v)) return unusable(r, "must hold real numbers or cells of them");
    if (!count) return XR_OK;
    if (!v->data || v->nbytes / (size_t)(v->data_size > 0 ? v->data_size : 1) < count)
      return unusable(r, "is damaged: numbers are missing");
    return take_numbers(r, v, count, out);
  }
  if (depth == MAX_DEPTH) return unusable(r, "has cells in cells too deep");
  if (count && (!v->data || v->nbytes / sizeof(matvar_t *) < count)) return unusable(r, "is damaged: cells are missing");
  xr_mat_value *values = XR_NEW_ARRAY(r->arena, xr_mat_value, count);
  if (!values) return XR_NO_MEMORY;
  *out = (xr_mat_value){.rows = rows, .columns = columns, .values = values};
  for (size_t i = 0; i < count; i++) XR_TRY(take(r, ((matvar_t **)v->data)[i], depth + 1, &values[i]));
  return XR_OK;
}

/* matio takes what zlib gives of a version 5 file that was cut off, and leaves the rest as it is: whether the file is complete is seen from
 * the lengths of its elements, which follow a header of 128 bytes. Other versions keep other account of it. */
static xr_status check_complete(const char *path) {
  enum { HEADER = 128, TAG = 8 };
  char *bytes;
  size_t size;
  XR_TRY(xr_read_file(path, &bytes, &size));
  bool complete = true;
  if (size >= HEADER && memcmp(bytes, "MATLAB 5.0", 10) == 0) {
    const bool little = bytes[HEADER - 2] == 'I';
    size_t at = HEADER;
    while (complete && at < size) {
      uint32_t length = 0;
      complete = size - at >= TAG;
      if (complete) memcpy(&length, bytes + at + 4, sizeof length);
      if (!little) length = __builtin_bswap32(length);
      complete = complete && length <= size - at - TAG;
      at += TAG + length;
    }
  }
  free(bytes);
  return complete ? XR_OK : xr_fail(XR_BAD_INPUT, "%s: the file is cut off; download it again", path);
}

xr_status xr_mat_read(xr_arena *arena, const char *path, const char *variable, xr_mat_value *value) {
  const reader r = {arena, path, variable};
  if (!xr_is_file(path)) return xr_fail(XR_NOT_FOUND, "%s: there is no such file", path);
  XR_TRY(check_complete(path));
  mat_t *file = Mat_Open(path, MAT_ACC_RDONLY);
  if (!file) return xr_fail(XR_BAD_INPUT, "%s: this is no MATLAB file, or a damaged one", path);
  matvar_t *v = Mat_VarRead(file, variable);
  xr_status status = v ? take(&r, v, 0, value) : xr_fail(XR_BAD_INPUT, "%s: holds no variable \"%s\" that can be read", path, variable);
  Mat_VarFree(v);
  Mat_Close(file);
  return status;
}
