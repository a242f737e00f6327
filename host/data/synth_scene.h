/* One crop of a surveillance picture: a place, light, a lens, and the person in it. */
#pragma once

#include "host/data/synth_person.h"

typedef struct {
  int width, height;
  uint8_t *rgb;  /* [height, width, 3] */
  uint8_t *mask; /* [height, width], xr_part */
  xr_view view;
  int quality; /* of the JPEG file: cameras compress differently */
} xr_synth_picture;

/* Every choice comes from `random`. Buffers are malloc'ed; the caller frees them. camera: 0 .. XR_SYNTH_CAMERAS - 1. */
xr_status xr_synth_render(const xr_person *person, int camera, xr_random *random, xr_synth_picture *picture);
