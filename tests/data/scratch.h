/* A folder for one test's files, removed by scratch_remove(). */
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"

typedef struct {
  char root[128];
} scratch;

static inline scratch scratch_new(void) {
  scratch s = {"/tmp/xreid_test_XXXXXX"};
  cr_assert(mkdtemp(s.root), "no folder under /tmp");
  return s;
}

static inline void scratch_remove(const scratch *s) {
  char command[200];
  snprintf(command, sizeof command, "rm -rf '%s'", s->root);
  cr_assert_eq(system(command), 0);
}

/* Writes root/name, making its folders. */
static inline void scratch_write(const scratch *s, const char *name, const void *bytes, size_t size) {
  char path[XR_PATH_MAX], folder[XR_PATH_MAX];
  cr_assert_eq(xr_path_join(path, s->root, name), XR_OK);
  snprintf(folder, sizeof folder, "%.*s", (int)(xr_path_name(path) - path), path);
  cr_assert(xr_make_folders(folder) == XR_OK, "%s", xr_message());
  cr_assert(xr_write_file(path, bytes, size) == XR_OK, "%s", xr_message());
}

static inline void scratch_text(const scratch *s, const char *name, const char *text) { scratch_write(s, name, text, strlen(text)); }

/* Fails the test unless the last message holds `part`. */
static inline void expect_message(const char *part) {
  cr_assert(strstr(xr_message(), part), "the message does not hold \"%s\": %s", part, xr_message());
}
