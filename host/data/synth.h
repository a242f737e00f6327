/* Synthetic data for text-to-image person search: drawn pedestrians, captions from a grammar, part masks.
 *
 * The same persons in the layout of an official set, so that every program made for that set reads it:
 *
 *   OUT/synth.json        {"layout", "seed", "identities"}: marks the folder as ours
 *   OUT/attributes.json   the truth behind the pictures, below
 *   OUT/vocab.txt         byte-pair merges learnt from the training captions, in CLIP's format
 *   OUT/imgs/..jpg        crops, 60-140 x 150-330 pixels
 *   OUT/masks/..png       8-bit grey, same name and size, one part number (xr_part) per pixel
 *   OUT/<records>         written last: an array with split, captions, the path below imgs/, id; with processed_tokens where noted
 *
 *   layout      records              pictures                  ids from   differences
 *   cuhk-pedes  reid_raw.json        cam_K/IIII_cK_NN.jpg      1          processed_tokens
 *   icfg-pedes  ICFG-PEDES.json      {train,test}/..           0          processed_tokens, one caption, no val (its persons are in
 *                                                                         train), folders that say nothing of the split
 *   rstpreid    data_captions.json   IIII_cK_NNNN.jpg          0          img_path instead of file_path
 *
 * Ids have no gaps: train first (85 %), then val (5 %), then test (10 %). Four to six pictures per identity, from several of
 * the six cameras. processed_tokens: lower case, apostrophes deleted, every other character that is no letter or digit separates.
 *
 * attributes.json: {"attributes": [{"name", "values": [names]}, ...],
 *                   "images": [{"file_path", "split", "id", "camera", "view", "values": [v, ...], "mentions": [[[a, v], ...], [...]]},
 * ...]} images are in the order of the records; values[a] is the index into attributes[a].values that holds for the person; mentions[c]
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
  const char *layout; /* NULL: "cuhk-pedes" */
  int identities;     /* XR_SYNTH_MIN_IDENTITIES .. XR_SYNTH_MAX_IDENTITIES */
  uint64_t seed;
} xr_synth_options;

typedef struct {
  int identities[3], images[3]; /* train, val, test */
  int captions;
  double attribute_rank1; /* xr_synth_attribute_rank1 of the test split */
} xr_synth_summary;

/* "cuhk-pedes", .., NULL */
extern const char *const xr_synth_layouts[];

/* Creates the folder, or replaces the set that it holds. Refuses a folder with anything else in it (XR_BAD_INPUT). */
xr_status xr_synth_write(const xr_synth_options *options, xr_synth_summary *summary);

/* What ranking by the true attributes reaches on the set in `folder`: score(caption, image) = number of the caption's mentions that hold
 * for the image; ties count by expectation. `rank1` in 0 .. 1 over all captions of the split ("train", "val" or "test"). */
xr_status xr_synth_attribute_rank1(const char *folder, const char *split, double *rank1);
