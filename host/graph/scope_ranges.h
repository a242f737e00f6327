/* The graph's scopes as ranges of a profiler's timeline (NVTX): "visual.transformer.resblocks.3.ln_1" is five ranges, one in the other. */
#pragma once

#include <string.h>

#if __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#else
static inline int nvtxRangePushA(const char *name) { return (void)name, 0; }
static inline int nvtxRangePop(void) { return 0; }
#endif

typedef struct {
  char path[512]; /* the open ranges */
} xr_scope_ranges;

static inline size_t xr_scope_end_of(const char *path, size_t start) {
  const char *dot = strchr(path + start, '.');
  return dot ? (size_t)(dot - path) : strlen(path);
}

/* Closes the ranges beyond the first `keep` characters of the open path. */
static inline void xr_scope_ranges_close(xr_scope_ranges *r, size_t keep) {
  for (size_t at = keep; r->path[at]; at = xr_scope_end_of(r->path, at + 1)) nvtxRangePop();
  r->path[keep] = '\0';
}

/* Opens and closes ranges until those of `path` are open; "": none. */
static inline void xr_scope_ranges_enter(xr_scope_ranges *r, const char *path) {
  size_t common = 0;
  while (r->path[common] && path[common]) { /* whole names that both begin with */
    const size_t end = xr_scope_end_of(path, common + (common > 0)), open = xr_scope_end_of(r->path, common + (common > 0));
    if (end != open || strncmp(path, r->path, end) != 0) break;
    common = end;
  }
  xr_scope_ranges_close(r, common);
  const size_t length = strlen(path);
  if (length >= sizeof r->path) return;
  memcpy(r->path, path, length + 1);
  for (size_t at = common; at < length;) {
    const size_t start = at + (at > 0), end = xr_scope_end_of(path, start);
    char name[sizeof r->path];
    memcpy(name, path + start, end - start);
    name[end - start] = '\0';
    nvtxRangePushA(name);
    at = end;
  }
}
