/* npy files: one array each (NumPy Enhancement Proposal 1, format versions 1.0 to 3.0).
 *
 *   "\x93NUMPY" major minor | u16 or u32 little-endian header length | {'descr': .., 'fortran_order': .., 'shape': ..} | data
 *
 * Read and written: little-endian f4, f8, f2, i4, i8, u1 in C order; b1 is read as XR_U8 (0 or 1). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "host/base/dtype.h"
#include "host/base/status.h"
#include "host/io/safetensors.h"

typedef struct {
  xr_dtype dtype;
  int rank; /* 0: a single number */
  int64_t dim[XR_MAX_STORED_RANK];
  const void *data; /* read-only, aligned to its element size */
  int64_t count;    /* elements */
  void *map, *copy; /* the mapped file; the data's own block where the file does not align it */
  size_t map_bytes;
} xr_npy;

/* Maps `path`. Errors name the file: not there, no npy file, cut short or with bytes after the data (XR_BAD_INPUT), Fortran order,
 * big-endian, structured or other element types, more than XR_MAX_STORED_RANK dimensions (XR_UNSUPPORTED). */
xr_status xr_npy_open(xr_npy **file, const char *path);
void xr_npy_close(xr_npy *file); /* NULL is allowed */

/* Copies and converts any element type to f32: out[file->count]. */
void xr_npy_to_f32(const xr_npy *file, float *out);

/* For files that are read once from front to back and may be larger than memory: `done` bytes from `offset` of the data on are not needed
 * any more and leave memory, the `next` bytes behind them are fetched in the background. */
void xr_npy_advance(const xr_npy *file, size_t offset, size_t done, size_t next);

/* Writes data [dim[0], .., dim[rank-1]] as version 1.0; appears under `path` whole or not at all.
 * npy has no bf16: XR_UNSUPPORTED. */
xr_status xr_npy_write(const char *path, xr_dtype dtype, int rank, const int64_t *dim, const void *data);
