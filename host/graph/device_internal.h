/* The backends behind device.h. */
#pragma once

#include "host/graph/device.h"

typedef struct {
  void *(*alloc)(size_t bytes); /* NULL and a message */
  void (*free)(void *memory);
  xr_status (*write)(void *to, const void *from, size_t bytes);
  xr_status (*read)(void *to, const void *from, size_t bytes);
  xr_status (*zero)(void *memory, size_t bytes);
  bool (*free_bytes)(size_t *free_bytes, size_t *total_bytes);
  xr_status (*stream_new)(xr_stream *stream);
  void (*stream_free)(xr_stream stream);
  xr_status (*copy)(void *to, const void *from, size_t bytes, xr_stream stream);
  void (*name)(char *name, size_t size);
  size_t (*cache_bytes)(void); /* 0: unknown */
} xr_device_functions;

#ifdef XREID_CUDA
extern const xr_device_functions xr_device_functions_cuda;
/* Makes device `index` this thread's; fails with the cause when it cannot compute. */
xr_status xr_device_select_cuda(int index);
void xr_device_list_cuda(void (*line)(void *context, const char *text), void *context);
#endif
