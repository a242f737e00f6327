#include "host/eval/row_source.h"

#include <string.h>

static const size_t default_mapped_bytes = (size_t)128 << 20;

xr_status xr_row_source_get(const xr_row_source *rows, int64_t width, int64_t first, int64_t count, void *staging, const void **at) {
  *at = rows->data ? (const char *)rows->data + (size_t)(first * width) * xr_dtype_bytes(rows->dtype) : staging;
  return rows->data ? XR_OK : rows->read(rows->context, first, count, staging);
}

static xr_status read_npy(void *context, int64_t first, int64_t count, void *rows) {
  const xr_npy *file = context;
  const size_t row = (size_t)(file->count / file->dim[0]) * xr_dtype_bytes(file->dtype);
  const size_t offset = (size_t)first * row, bytes = (size_t)count * row;
  memcpy(rows, (const char *)file->data + offset, bytes);
  xr_npy_advance(file, offset, bytes, bytes);
  return XR_OK;
}

xr_row_source xr_row_source_of_npy(const xr_npy *file, size_t mapped_bytes) {
  if ((size_t)file->count * xr_dtype_bytes(file->dtype) <= (mapped_bytes ? mapped_bytes : default_mapped_bytes))
    return (xr_row_source){.data = file->data, .dtype = file->dtype};
  return (xr_row_source){.dtype = file->dtype, .read = read_npy, .context = (void *)(uintptr_t)file};
}
