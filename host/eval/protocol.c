#include "host/eval/protocol.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "host/eval/evaluate.h"

/* Market-1501 and its kin: pictures of the same person by the same camera. */
static void exclude_same_id_and_camera(const xr_evaluation_input *in, int64_t query, float *row) {
  const int64_t id = in->query_ids[query], camera = in->query_cameras[query];
  for (int64_t g = 0; g < in->gallery; g++)
    if (in->gallery_ids[g] == id && in->gallery_cameras[g] == camera) row[g] = NAN;
}

static const xr_protocol protocols[] = {
    {.name = "text-to-image", .misses_count = true},
    {.name = "regdb"},
    {.name = "market", .exclude = exclude_same_id_and_camera, .needs_cameras = true},
};

const xr_protocol *xr_protocol_find(const char *name) {
  for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++)
    if (strcmp(protocols[i].name, name) == 0) return &protocols[i];
  return NULL;
}

const char *xr_protocol_names(void) { return "text-to-image, regdb, market"; }
