#include "host/eval/rows.h"

#include <stddef.h>

xr_status xr_rows_get(const xr_rows *rows, int64_t width, int64_t first, int64_t count, void *staging, const void **at) {
  *at = rows->data ? (const char *)rows->data + (size_t)(first * width) * xr_dtype_bytes(rows->dtype) : staging;
  return rows->data ? XR_OK : rows->read(rows->context, first, count, staging);
}
