#include "host/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[4000];

static void mark_cut(int length) {
  if (length >= (int)sizeof message) memcpy(message + sizeof message - 4, "...", 4);
}

xr_status xr_fail(xr_status code, const char *format, ...) {
  char fresh[sizeof message]; /* the arguments may point into `message` */
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(fresh, sizeof fresh, format, arguments);
  va_end(arguments);
  memcpy(message, fresh, sizeof message);
  mark_cut(length);
  return code;
}

xr_status xr_fail_in(xr_status code, const char *format, ...) {
  char context[sizeof message], old[sizeof message];
  memcpy(old, message, sizeof old);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(context, sizeof context, format, arguments);
  va_end(arguments);
  size_t used = strlen(context);
  memcpy(message, context, used);
  int rest = snprintf(message + used, sizeof message - used, ": %s", old);
  mark_cut((int)used + rest);
  return code;
}

const char *xr_message(void) { return message; }
