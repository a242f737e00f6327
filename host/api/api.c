#include <stdlib.h>
#include <string.h>

#include "host/api/handles.h"
#include "host/base/log.h"

/* The codes are the same, and stay so. */
_Static_assert((int)XREID_DEVICE == (int)XR_DEVICE && (int)XREID_NOT_FINITE == (int)XR_NOT_FINITE && (int)XREID_IO == (int)XR_IO &&
                   (int)XREID_BAD_INPUT == (int)XR_BAD_INPUT && (int)XREID_UNSUPPORTED == (int)XR_UNSUPPORTED,
               "status codes of the library");

const char *xreid_version(void) { return XREID_VERSION; }
const char *xreid_message(void) { return xr_message(); }

void xreid_set_log_level(xreid_log_level level) {
  xr_log_threshold = level <= XREID_LOG_NOTHING ? XR_LOG_QUIET : level == XREID_LOG_WARNINGS ? XR_LOG_WARNING : XR_LOG_INFO;
}

/* A library is quieter than a program. */
static void __attribute__((constructor)) be_quiet(void) { xr_log_threshold = XR_LOG_WARNING; }

xr_status xreid_take(void *known, size_t known_size, const void *given, const char *function) {
  size_t size;
  memset(known, 0, known_size);
  if (!given) return xr_fail(XR_BAD_ARGUMENT, "%s: NULL where a structure is expected", function);
  memcpy(&size, given, sizeof size);
  if (size < sizeof size) return xr_fail(XR_BAD_ARGUMENT, "%s: the structure's size is not set", function);
  const char *bytes = given;
  for (size_t i = known_size; i < size; i++)
    if (bytes[i])
      return xr_fail(XR_UNSUPPORTED, "%s: the structure has members that this version (%s) does not know", function, XREID_VERSION);
  memcpy(known, given, size < known_size ? size : known_size);
  return XR_OK;
}
