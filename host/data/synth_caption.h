/* Captions for drawn pedestrians: a small grammar with synonyms. */
#pragma once

#include <jansson.h>

#include "host/data/synth_person.h"

enum { XR_SYNTH_CAPTION_BYTES = 600 };

/* One caption of two or three sentences, naming a random choice of the attributes that the view shows. Returns the list of what it names,
 * [[attribute, value], ...], which the caller owns; NULL when there is no memory. */
json_t *xr_synth_caption(const xr_person *person, xr_view view, xr_random *random, char text[XR_SYNTH_CAPTION_BYTES]);
