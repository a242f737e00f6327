#include "tools/output.h"

#include <stdio.h>
#include <string.h>

#include "host/base/file.h"

bool xr_is_standard_output(const char *name) { return name && strcmp(name, "-") == 0; }

xr_status xr_write_output(const char *name, const char *text) {
  if (!text) return XR_NO_MEMORY;
  if (!xr_is_standard_output(name)) return xr_write_file(name, text, strlen(text));
  const size_t size = strlen(text);
  const bool written = fputs(text, stdout) >= 0 && (!size || text[size - 1] == '\n' || putchar('\n') >= 0);
  return !written ? xr_fail(XR_IO, "cannot write to standard output") : XR_OK;
}
