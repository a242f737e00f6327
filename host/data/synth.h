/* Synthetic data for text-to-image person search: drawn pedestrians, captions from a grammar, part masks.
 *
 * Written in the layout of CUHK-PEDES, so that every program made for that set reads it:
 *
 *   OUT/synth.json        {"layout", "seed", "identities"}: marks the folder as ours
 *   OUT/attributes.json   the truth behind the pictures, below
 *   OUT/vocab.txt         byte-pair merges learnt from the training captions, in CLIP's format
 *   OUT/imgs/cam_K/IIII_cK_NN.jpg    crops, 60-140 x 150-330 pixels; camera K, identity IIII, its picture NN
 *   OUT/masks/cam_K/IIII_cK_NN.png   8-bit grey, same size, one part number (xr_part) per pixel
 *   OUT/reid_raw.json     written last: an array with split, captions (two), file_path (below imgs/), processed_tokens, id
 *
 * Ids start at 1 without gaps: train first (85 %), then val (5 %), then test (10 %). Four to six pictures per identity, from several of
 * the six cameras. processed_tokens: lower case, apostrophes deleted, every other character that is no letter or digit separates.
 *
 * attributes.json: {"attributes": [{"name", "values": [names]}, ...],
 *                   "images": [{"file_path", "split", "id", "camera", "view", "values": [v, ...], "mentions": [[[a, v], ...], [...]]},
 * ...]} images are in the order of reid_raw.json; values[a] is the index into attributes[a].values that holds for the person; mentions[c]
 * lists the (attribute, value) pairs that caption c names. view is "front", "side" or "back". A caption names only what that picture shows.
 *
 * The same seed and count give the same bytes, whatever the number of threads. */
#pragma once

#include <stdint.h>

#include "host/base/status.h"

enum {
  XR_SYNTH_ATTRIBUTES = 16,
  XR_SYNTH_CAMERAS = 6,
  XR_SYNTH_CAPTIONS = 2,
  XR_SYNTH_MIN_IDENTITIES = 10,
  XR_SYNTH_MAX_IDENTITIES = 9999
};

/* Parts are places on the body, not garments: a sleeve belongs to the arm, a trouser leg to the leg, a skirt to the legs. */
typedef enum {
  XR_PART_BACKGROUND, /* also whatever hides the person */
  XR_PART_HEAD,       /* face, neck, hair, hat, glasses */
  XR_PART_TORSO,      /* a coat or dress down to its hem */
  XR_PART_ARMS,
  XR_PART_LEGS,
  XR_PART_FEET,
  XR_PART_BAG,
  XR_PARTS
} xr_part;

typedef struct {
  const char *folder;
  int identities; /* XR_SYNTH_MIN_IDENTITIES .. XR_SYNTH_MAX_IDENTITIES */
  uint64_t seed;
} xr_synth_options;

typedef struct {
  int identities[3], images[3]; /* train, val, test */
  int captions;
  double attribute_rank1; /* xr_synth_attribute_rank1 of the test split */
} xr_synth_summary;

/* Creates the folder, or replaces the set that it holds. Refuses a folder with anything else in it (XR_BAD_INPUT). */
xr_status xr_synth_write(const xr_synth_options *options, xr_synth_summary *summary);

/* What ranking by the true attributes reaches on the set in `folder`: score(caption, image) = number of the caption's mentions that hold
 * for the image; ties count by expectation. `rank1` in 0 .. 1 over all captions of the split ("train", "val" or "test"). */
xr_status xr_synth_attribute_rank1(const char *folder, const char *split, double *rank1);
