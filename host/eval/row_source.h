/* Rows of numbers that lie in memory, in a mapped file, or behind a reader: features, embedding sets, rows of scores. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "host/io/npy.h"

/* All zeros: there are none. How many rows there are and how wide they are is said by whoever holds them. */
typedef struct {
  const void *data; /* [rows, width], mapped or in memory; NULL: they are read */
  xr_dtype dtype;   /* XR_F32, XR_BF16 or XR_F16 */
  /* Writes rows first .. first + count - 1, [count, width] of `dtype`. Called with ascending `first`, from the first row again in each
   * pass. */
  xr_status (*read)(void *context, int64_t first, int64_t count, void *rows);
  void *context;
} xr_row_source;

static inline int xr_has_rows(const xr_row_source *rows) { return rows->data || rows->read; }

/* Rows first .. first + count - 1 of `width` elements: where they are, or `staging` (count * width elements) after they were read. */
xr_status xr_row_source_get(const xr_row_source *rows, int64_t width, int64_t first, int64_t count, void *staging, const void **at);

/* The rows of an npy file, [rows, ..] of a dtype above, which stays open. A file of more than `mapped_bytes` (0: 128 MiB) passes through
 * memory: only the rows that are being worked on stay there. */
xr_row_source xr_row_source_of_npy(const xr_npy *file, size_t mapped_bytes);
