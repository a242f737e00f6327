/* safetensors files: named tensors and a string table in one file (format of huggingface/safetensors).
 *
 *   u64 little-endian header length | JSON header | tensor data, contiguous
 *
 * Reading validates everything before a pointer is handed out: header length, JSON, dtypes, shapes against byte ranges, overlaps,
 * holes, duplicate names, truncated or surplus data. Each failure names the file and the tensor. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"

enum { XR_MAX_STORED_RANK = 8 };

typedef struct {
  const char *name;
  xr_dtype dtype;
  int rank;
  int64_t dim[XR_MAX_STORED_RANK];
  const void *data; /* in a file that was opened: read-only and without any alignment promise */
  size_t bytes;
} xr_stored_tensor;

typedef struct {
  const char *key, *value;
} xr_metadata;

typedef struct xr_safetensors xr_safetensors;

xr_status xr_safetensors_open(xr_safetensors **file, const char *path);
void xr_safetensors_close(xr_safetensors *file); /* NULL is allowed */

size_t xr_safetensors_count(const xr_safetensors *file);
const xr_stored_tensor *xr_safetensors_at(const xr_safetensors *file, size_t index);       /* in the order of the data */
const xr_stored_tensor *xr_safetensors_find(const xr_safetensors *file, const char *name); /* NULL: no such tensor */
/* Gives back the memory that reading a tensor's data took; the data stay readable. For large files that are read once. */
void xr_safetensors_forget(const xr_safetensors *file, const xr_stored_tensor *tensor);
/* The whole file as it is mapped. */
const void *xr_safetensors_bytes(const xr_safetensors *file, size_t *bytes);
/* The system may begin to read the file from disk: it will be wanted soon. */
void xr_safetensors_read_ahead(const xr_safetensors *file);
const char *xr_safetensors_metadata(const xr_safetensors *file, const char *key); /* NULL: no such key */

/* Writes the tensors in the order given; appears under `path` whole or not at all. */
xr_status xr_safetensors_write(const char *path, const xr_stored_tensor *tensors, size_t count, const xr_metadata *metadata,
                               size_t metadata_count);

int64_t xr_stored_elements(const xr_stored_tensor *tensor);

/* Copies and converts any float or integer dtype to f32: out[xr_stored_elements(tensor)]. */
void xr_stored_to_f32(const xr_stored_tensor *tensor, float *out);
