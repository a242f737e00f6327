/* What the handles of xreid.h are. */
#pragma once

#include "host/api/xreid.h"
#include "host/eval/embedder.h"

struct xreid_model {
  xr_embedder *embedder;
  xr_device device;
};

/* A copy of a structure that the caller filled, with zeros for members that its version did not know; a larger one is refused when it has
 * members set that this version does not know. */
xr_status xreid_take(void *known, size_t known_size, const void *given, const char *function);

static inline xreid_status xreid_status_of(xr_status status) { return (xreid_status)status; }
