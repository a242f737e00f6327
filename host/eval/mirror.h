/* An array in plain memory that kernels of a backend read and write: on the CPU the array itself, on a device a copy there. */
#pragma once

#include <stddef.h>

#include "host/graph/device.h"

typedef struct {
  xr_backend backend;
  void *plain, *there; /* `there` is what kernels get; NULL for an array that is NULL */
  size_t bytes;
} xr_mirror;

static inline xr_status xr_mirror_open(xr_mirror *m, xr_backend backend, void *plain, size_t bytes) {
  *m = (xr_mirror){.backend = backend, .plain = plain, .there = plain, .bytes = plain ? bytes : 0};
  if (backend == XR_CPU || !m->bytes) return XR_OK;
  m->there = NULL;
  XR_TRY(xr_device_alloc(backend, &m->there, bytes));
  return xr_device_write(backend, m->there, plain, bytes);
}

/* Brings what the kernels wrote back to `plain`. */
static inline xr_status xr_mirror_read(const xr_mirror *m) {
  return m->there == m->plain ? XR_OK : xr_device_read(m->backend, m->plain, m->there, m->bytes);
}

static inline void xr_mirror_close(xr_mirror *m) {
  if (m->there != m->plain) xr_device_free(m->backend, m->there);
  *m = (xr_mirror){0};
}
