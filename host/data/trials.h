/* Queries and galleries of visible-infrared protocols: which images each trial of an evaluation ranks, in the official order.
 *
 *   sysu-mm01   queries: every infrared image. Gallery of trial t = 0 .. 9: from every visible camera (all) or cameras 1 and 2 (indoor),
 *               one image of each person (single-shot) or ten (multi-shot).
 *   regdb       one trial a data set (its xr_dataset_options.trial): every image of one modality against every one of the other.
 *   llcm        queries: every image of one modality. Gallery of trial t = 0 .. 9: one image of each person by each camera of the other.
 *
 * Draws. agw: as in AGW and what descends from it: CPython's random.seed(t), then random.choice of the sorted files of each person
 * (ascending) and camera that has any; python_random.h. That family has no multi-shot draw that can be repeated; here ten images are
 * random.sample(files, 10). official: the first 1 or 10 entries of row t of rand_perm_cam.mat, which comes with SYSU-MM01 (exp/); entry k
 * is the k-th of a person's sorted files.
 *
 * LLCM's directions. infrared-to-visible is as above. visible-to-infrared, as the paper has it, is its mirror image: all visible queries, a
 * drawn infrared gallery. The authors' released test script builds the same lists but evaluates the transposed problem: the drawn infrared
 * images are queries, all visible images the gallery. That is visible-to-infrared-transposed; their corrected table is consistent with it.
 *
 * An evaluation encodes all images of a modality once; the trials of every mode, number of shots and draw are masks over them. */
#pragma once

#include "host/data/dataset.h"

enum { XR_MAX_TRIALS = 10 };

typedef enum { XR_SEARCH_ALL, XR_SEARCH_INDOOR, XR_SEARCH_MODES } xr_search_mode;
typedef enum { XR_DRAW_AGW, XR_DRAW_OFFICIAL, XR_GALLERY_DRAWS } xr_gallery_draw;
typedef enum {
  XR_DIRECTION_USUAL, /* sysu-mm01, llcm: infrared to visible; regdb: visible to infrared */
  XR_INFRARED_TO_VISIBLE,
  XR_VISIBLE_TO_INFRARED,
  XR_VISIBLE_TO_INFRARED_TRANSPOSED,
  XR_DIRECTIONS
} xr_direction;

extern const char *const xr_search_mode_names[XR_SEARCH_MODES];    /* "all", "indoor" */
extern const char *const xr_gallery_draw_names[XR_GALLERY_DRAWS];  /* "agw", "official" */
const char *xr_direction_name(xr_direction direction);             /* "infrared-to-visible", .. */
bool xr_direction_find(const char *name, xr_direction *direction); /* "thermal" is another word for infrared */

typedef struct {
  xr_search_mode mode;
  int shots; /* 1 or 10; 0: 1 */
  xr_gallery_draw draw;
  xr_direction direction;
} xr_trials_options;

typedef struct {
  int number;                     /* as the protocol numbers it: 0 .. 9, RegDB 1 .. 10 */
  const int32_t *query, *gallery; /* places in xr_trials.query_images and .gallery_images, in the official order */
  size_t query_count, gallery_count;
  const uint64_t *query_mask, *gallery_mask; /* the same as bits: bit i % 64 of word i / 64 is image i. NULL: all of them */
} xr_trial_lists;

/* The images point into the data set, which must outlive this. */
typedef struct {
  xr_arena *arena;
  xr_direction direction;                               /* never USUAL */
  const char *label;                                    /* for reports: "all-search, single-shot, drawn as in AGW" */
  const xr_image_record *query_images, *gallery_images; /* all images of the query's modality and of the other in the split */
  size_t query_image_count, gallery_image_count;
  xr_trial_lists *trial;
  int count;
} xr_trials;

/* Whether galleries come with the data set: draw may be official. */
bool xr_has_official_draw(const xr_dataset *dataset);

/* All trials of `split`, which may also be val. XR_BAD_INPUT: the data set has no such mode, draw, direction or number of shots;
 * rand_perm_cam.mat is not what it should be or counts other images than there are; the split lacks a modality or has no image of the
 * gallery's cameras. XR_NOT_FOUND: there is no rand_perm_cam.mat. options NULL: all zero. On failure there is nothing to free. */
xr_status xr_trials_make(xr_trials *trials, const xr_dataset *dataset, xr_split_id split, const xr_trials_options *options);
void xr_trials_free(xr_trials *trials);
