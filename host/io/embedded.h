/* Text files that are built into the library (see cmake/Embed.cmake). */
#pragma once

#include <stddef.h>

typedef struct {
  const char *path; /* from the repository root */
  const char *text; /* ends with a zero byte */
  size_t bytes;     /* without it */
} xr_embedded_file;

extern const xr_embedded_file xr_embedded_files[];
extern const size_t xr_embedded_file_count;
