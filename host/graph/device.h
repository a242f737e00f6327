/* Where a run computes, and memory there: the CPU, or one CUDA device a process.
 *
 * A build without CUDA has the CPU alone; asking it for CUDA gives XR_UNSUPPORTED. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/base/status.h"
#include "host/graph/op.h"

typedef struct {
  xr_backend backend;
  int index; /* of the CUDA device */
} xr_device;

/* "cpu", "cuda" (the first device), "cuda:N", or "auto": a CUDA device when one works, else the CPU without a word. Makes a CUDA device the
 * calling thread's. XR_BAD_ARGUMENT for another text; XR_UNSUPPORTED or XR_DEVICE with the cause: not built in, no driver, a driver that is
 * too old, no such device, a device this build has no code for. */
xr_status xr_device_open(xr_device *device, const char *text);

/* Is this a text that xr_device_open() knows, whether or not there is such a device? */
bool xr_is_device(const char *text);

/* "not built in", or the driver's and runtime's versions, then one line a device: its name, memory and whether this build has code
 * for it. Each line is handed to `line`. */
void xr_device_list(void (*line)(void *context, const char *text), void *context);

/* ---- memory. On the CPU plain memory, aligned to 64; on CUDA the device's, aligned to 256. */
/* XR_NO_MEMORY names the bytes and, on CUDA, what is free. */
xr_status xr_device_alloc(xr_backend backend, void **memory, size_t bytes);
void xr_device_free(xr_backend backend, void *memory); /* NULL is allowed */
/* Between memory of the backend and plain memory. They return when it is done, and wait for the work that was queued on the device. */
xr_status xr_device_write(xr_backend backend, void *to, const void *from, size_t bytes);
xr_status xr_device_read(xr_backend backend, void *to, const void *from, size_t bytes);
xr_status xr_device_zero(xr_backend backend, void *memory, size_t bytes);
/* Bytes that the device can still give; false on the CPU, where nobody knows. */
bool xr_device_free_bytes(xr_backend backend, size_t *free_bytes, size_t *total_bytes);

/* ---- work in the order of a stream */
/* NULL on the CPU, where work is done when its call returns. */
xr_status xr_device_stream_new(xr_backend backend, xr_stream *stream);
void xr_device_stream_free(xr_backend backend, xr_stream stream);
/* A copy inside the backend's memory, by all its threads. */
xr_status xr_device_copy(xr_backend backend, void *to, const void *from, size_t bytes, xr_stream stream);

/* ---- what it is */
/* "AMD EPYC", "NVIDIA H200": the processor, or this thread's CUDA device. Cut to `size` bytes. */
void xr_device_name(xr_backend backend, char *name, size_t size);
/* Of the last cache before memory: what a measurement of memory has to exceed. 32 MiB where it cannot be found out. */
size_t xr_device_cache_bytes(xr_backend backend);
