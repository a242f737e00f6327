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
} xr_device_memory;

#ifdef XREID_CUDA
extern const xr_device_memory xr_device_memory_cuda;
/* Makes device `index` this thread's; fails with the cause when it cannot compute. */
xr_status xr_device_select_cuda(int index);
void xr_device_list_cuda(void (*line)(void *context, const char *text), void *context);
#endif
