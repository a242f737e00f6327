#include "host/graph/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/graph/device_internal.h"

/* ---- the CPU's memory */
static xr_status copy_plain(void *to, const void *from, size_t bytes) {
  memcpy(to, from, bytes);
  return XR_OK;
}

static xr_status zero_plain(void *memory, size_t bytes) {
  memset(memory, 0, bytes);
  return XR_OK;
}

static bool free_unknown(size_t *free_bytes, size_t *total_bytes) {
  *free_bytes = *total_bytes = 0;
  return false;
}

/* ---- the CPU's streams: there are none */
static xr_status stream_none(xr_stream *stream) {
  *stream = NULL;
  return XR_OK;
}

static void free_no_stream(xr_stream stream) { (void)stream; }

static xr_status copy_by_all(void *to, const void *from, size_t bytes, xr_stream stream) {
  const size_t piece = (size_t)1 << 20;
  (void)stream;
#pragma omp parallel for schedule(static)
  for (size_t start = 0; start < bytes; start += piece)
    memcpy((char *)to + start, (const char *)from + start, bytes - start < piece ? bytes - start : piece);
  return XR_OK;
}

/* ---- the CPU itself, as Linux describes it */
static void name_of_cpu(char *name, size_t size) {
  char line[256];
  FILE *file = fopen("/proc/cpuinfo", "r");
  snprintf(name, size, "unknown");
  while (file && fgets(line, sizeof line, file)) {
    char *colon = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
    if (!colon) continue;
    snprintf(name, size, "%s", colon + 2);
    name[strcspn(name, "\n")] = '\0';
    break;
  }
  if (file) fclose(file);
}

static size_t cache_of_cpu(void) {
  size_t kib = 0;
  for (int level = 3; level >= 2 && !kib; level--) { /* index 2 and 3 are the second and third level */
    char path[80];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", level);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%zuK", &kib) != 1) kib = 0;
    if (file) fclose(file);
  }
  return kib << 10;
}

static const xr_device_functions functions_cpu = {.alloc = xr_block_alloc,
                                                  .free = xr_block_free,
                                                  .write = copy_plain,
                                                  .read = copy_plain,
                                                  .zero = zero_plain,
                                                  .free_bytes = free_unknown,
                                                  .stream_new = stream_none,
                                                  .stream_free = free_no_stream,
                                                  .copy = copy_by_all,
                                                  .name = name_of_cpu,
                                                  .cache_bytes = cache_of_cpu};

/* ---- which backend */
#ifdef XREID_CUDA
static const xr_device_functions *functions_of(xr_backend backend) {
  return backend == XR_CUDA ? &xr_device_functions_cuda : &functions_cpu;
}
#else
static const xr_device_functions *functions_of(xr_backend backend) {
  (void)backend; /* xr_device_open() gives out nothing but the CPU */
  return &functions_cpu;
}

static xr_status xr_device_select_cuda(int index) {
  (void)index;
  return xr_fail(XR_UNSUPPORTED, "this build has no CUDA backend; use cpu or auto");
}

static void xr_device_list_cuda(void (*line)(void *context, const char *text), void *context) { line(context, "not built in"); }
#endif

xr_status xr_device_alloc(xr_backend backend, void **memory, size_t bytes) {
  *memory = functions_of(backend)->alloc(bytes);
  return *memory ? XR_OK : XR_NO_MEMORY;
}

void xr_device_free(xr_backend backend, void *memory) {
  if (memory) functions_of(backend)->free(memory);
}

xr_status xr_device_write(xr_backend backend, void *to, const void *from, size_t bytes) {
  return bytes ? functions_of(backend)->write(to, from, bytes) : XR_OK;
}

xr_status xr_device_read(xr_backend backend, void *to, const void *from, size_t bytes) {
  return bytes ? functions_of(backend)->read(to, from, bytes) : XR_OK;
}

xr_status xr_device_zero(xr_backend backend, void *memory, size_t bytes) {
  return bytes ? functions_of(backend)->zero(memory, bytes) : XR_OK;
}

bool xr_device_free_bytes(xr_backend backend, size_t *free_bytes, size_t *total_bytes) {
  return functions_of(backend)->free_bytes(free_bytes, total_bytes);
}

xr_status xr_device_stream_new(xr_backend backend, xr_stream *stream) { return functions_of(backend)->stream_new(stream); }

void xr_device_stream_free(xr_backend backend, xr_stream stream) {
  if (stream) functions_of(backend)->stream_free(stream);
}

xr_status xr_device_copy(xr_backend backend, void *to, const void *from, size_t bytes, xr_stream stream) {
  return bytes ? functions_of(backend)->copy(to, from, bytes, stream) : XR_OK;
}

void xr_device_name(xr_backend backend, char *name, size_t size) { functions_of(backend)->name(name, size); }

size_t xr_device_cache_bytes(xr_backend backend) {
  const size_t bytes = functions_of(backend)->cache_bytes();
  return bytes ? bytes : (size_t)32 << 20;
}

/* ---- choosing */
/* The N of "cuda:N", 0 for "cuda", -1 for anything else. */
static int index_of(const char *text) {
  if (strcmp(text, "cuda") == 0) return 0;
  if (strncmp(text, "cuda:", 5) != 0 || text[5] < '0' || text[5] > '9') return -1;
  char *end;
  long index = strtol(text + 5, &end, 10);
  return *end || index > 1023 ? -1 : (int)index;
}

bool xr_is_device(const char *text) { return strcmp(text, "cpu") == 0 || strcmp(text, "auto") == 0 || index_of(text) >= 0; }

xr_status xr_device_open(xr_device *device, const char *text) {
  *device = (xr_device){XR_CPU, 0};
  if (strcmp(text, "cpu") == 0) return XR_OK;
  if (strcmp(text, "auto") == 0) {
    if (xr_device_select_cuda(0) == XR_OK) device->backend = XR_CUDA;
    return XR_OK;
  }
  const int index = index_of(text);
  if (index < 0) return xr_fail(XR_BAD_ARGUMENT, "there is no device '%s': cpu, cuda, cuda:N, auto", text);
  XR_TRY(xr_device_select_cuda(index));
  *device = (xr_device){XR_CUDA, index};
  return XR_OK;
}

void xr_device_list(void (*line)(void *context, const char *text), void *context) { xr_device_list_cuda(line, context); }
