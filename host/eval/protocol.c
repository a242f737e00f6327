#include "host/eval/protocol.h"

#include <stddef.h>
#include <string.h>

static const xr_protocol protocols[] = {
    {.name = "text-to-image", .misses_count = true},
    {.name = "sysu-mm01", .hides = XR_HIDE_SAME_PLACE, .needs_cameras = true, .id_cmc = true},
    {.name = "regdb"},
    {.name = "llcm", .hides = XR_HIDE_SAME_ID_AND_CAMERA, .needs_cameras = true, .id_cmc = true},
    {.name = "market", .hides = XR_HIDE_SAME_ID_AND_CAMERA, .needs_cameras = true},
};

const xr_protocol *xr_protocol_find(const char *name) {
  for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
    if (strcmp(protocols[i].name, name) == 0) return &protocols[i];
  return NULL;
}

const char *xr_protocol_names(void) { return "text-to-image, sysu-mm01, regdb, llcm, market"; }
