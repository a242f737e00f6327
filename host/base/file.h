/* Files and folders: whole-file reads, writes that replace a file only when they are complete, paths. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "host/base/status.h"

enum { XR_PATH_MAX = 4096 };

/* Reads all of `path` into a fresh block (malloc; the caller frees it) with a zero byte after the end. */
xr_status xr_read_file(const char *path, char **bytes, size_t *size);

/* dir + "/" + name into out[XR_PATH_MAX]; doubled slashes are merged, an absolute `name` stands alone. */
xr_status xr_path_join(char *out, const char *dir, const char *name);
const char *xr_path_name(const char *path); /* what follows the last slash */

bool xr_is_file(const char *path);
bool xr_is_folder(const char *path);
xr_status xr_make_folders(const char *path); /* like mkdir -p */

/* A file that appears under `path` whole or not at all: written as `path`.partial, synced, renamed by xr_replace_commit.
 * xr_replace_cancel (also after a failed write) removes the partial file and leaves an older `path` as it was.
 * What is no file (/dev/null, /dev/stdout, a pipe) is written to and never replaced. */
typedef struct {
  int fd;
  char path[XR_PATH_MAX], partial[XR_PATH_MAX]; /* partial is "" for what is no file */
} xr_replacement;
xr_status xr_replace_begin(xr_replacement *file, const char *path);
xr_status xr_replace_write(xr_replacement *file, const void *bytes, size_t size);
xr_status xr_replace_commit(xr_replacement *file);
void xr_replace_cancel(xr_replacement *file);

/* The three steps above for content that is in memory. */
xr_status xr_write_file(const char *path, const void *bytes, size_t size);

/* Seconds on a clock that only goes forward. */
double xr_seconds(void);
