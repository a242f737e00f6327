/* Data sets: the one index that every adapter makes of an official directory as downloaded.
 *
 * A data set is a few splits; a split is images and, for text-to-image sets, captions of those images, both in the order of the
 * official file. The training samples of a text-to-image set are the captions of its train split: an image with c captions gives
 * c samples that share an image_id. Queries of the val and test splits are all captions, the gallery is all images.
 *
 * A split of a visible-infrared set is its visible images, then its infrared ones, each in the official order. Every training identity is
 * in both, under the same label. Queries and galleries are drawn from the test split: trials.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/memory.h"
#include "host/base/status.h"

typedef enum { XR_SPLIT_TRAIN, XR_SPLIT_VAL, XR_SPLIT_TEST, XR_SPLIT_QUERY, XR_SPLIT_GALLERY, XR_SPLITS } xr_split_id;
typedef enum { XR_MODALITY_VISIBLE, XR_MODALITY_INFRARED, XR_MODALITY_TEXT } xr_modality;

typedef struct {
  const char *path; /* the data set's root joined with the official relative path */
  int32_t pid;      /* as the official file has it: only equality has a meaning */
  int32_t image_id; /* 0, 1, 2, .. within the split */
  int32_t camera;   /* -1: the data set has none */
  xr_modality modality;
} xr_image_record;

typedef struct {
  const char *text;      /* UTF-8, as the official file has it */
  int32_t image;         /* index into the split's images */
  int32_t pid, image_id; /* of that image */
  int32_t number;        /* 0, 1, .. within the image */
} xr_caption_record;

typedef struct {
  const xr_image_record *images;
  size_t image_count;
  size_t visible_count; /* images[0 .. visible_count) are visible, the others infrared */
  const xr_caption_record *captions;
  size_t caption_count;
} xr_split;

typedef struct {
  const char *name, *root;
  const char *source;                     /* the annotation file, or the folder of several */
  xr_split splits[XR_SPLITS];             /* empty where the data set has no such split */
  bool infrared;                          /* a visible-infrared set, which has no captions */
  int32_t trial;                          /* RegDB: of which trial the splits are, from 1; else 0 */
  const struct xr_split_counts *official; /* [XR_SPLITS]: what the official release holds, with these options */
  int32_t identities;                     /* in the train split: the number of classes */
  const int32_t *label_pid;               /* [identities], ascending: label l is the training identity label_pid[l] */
  xr_arena *arena;                        /* owns all of the above */
} xr_dataset;

/* What is wrong with a data set that can be read. An error makes training or evaluation impossible, a warning does not. */
typedef struct {
  bool error;
  const char *kind; /* "missing-images", "gap", "counts", .. */
  size_t count;     /* how many records, captions, ids; 1 where that has no meaning */
  char text[1000];
} xr_dataset_problem;

enum { XR_DATASET_PROBLEMS = 64 };
typedef struct {
  xr_dataset_problem list[XR_DATASET_PROBLEMS];
  size_t count, errors;
  /* Unless NULL: called for every single file that is missing, cannot be read or is mislabelled; `text` begins with its path. */
  void (*each_file)(void *context, const char *kind, const char *text);
  void *context;
} xr_dataset_problems;

typedef struct {
  unsigned splits; /* the splits that will be used, bits 1u << XR_SPLIT_..: none may be empty, every image must exist. 0: all there are */
  bool allow_gaps; /* number the training identities in ascending order although an id between them is missing */

  /* Where the release has no val split: this share of the training identities becomes one (0: none does), evenly spread over the
   * ascending ids: of n ids h = xr_held_out(n, val_holdout) are taken, those in the places (2i + 1) n / (2h), rounded down. It does not
   * depend on any seed, so that runs can be compared. */
  double val_holdout;

  bool official_val; /* SYSU-MM01: the persons of val_id are the val split; else they are training persons, as in all published work */
  int32_t trial;     /* RegDB: which of the ten pairs of splits, 1 .. 10; 0: the first */
  bool decode;       /* xr_dataset_check: every image is decoded */

  /* NULL: errors are failures, warnings go to the log. Otherwise both are gathered here as far as the rest can be read without them. */
  xr_dataset_problems *problems;
} xr_dataset_options;

/* Reads and checks the data set `name` ("cuhk-pedes") that lies in the folder `root`. Errors name the file, the record and the key,
 * and what can be done: no annotation file, broken JSON (line and column), a missing key or a wrong type, a gap in the training ids,
 * missing images (how many, in which folders, the first few). Warnings: counts that are not those of the official release (not of a
 * drawn set, with a synth.json), empty captions (they stay: the published protocols rank them), splits of an unknown name (val, as in
 * the published code). options NULL: all splits, no gaps, no problems. */
xr_status xr_dataset_open(xr_dataset **dataset, const char *name, const char *root, const xr_dataset_options *options);
void xr_dataset_free(xr_dataset *dataset); /* NULL is allowed */

/* The class of a training identity, 0 .. identities-1; -1 for any other pid. */
int32_t xr_dataset_label(const xr_dataset *dataset, int32_t pid);

const char *xr_split_name(xr_split_id split); /* "train" */

/* The number of distinct identities among the split's images; 0 and a message when there is no memory. */
size_t xr_split_identities(const xr_split *split);

/* xr_dataset_open with options->problems (which must be there), and further warnings: captions that no usual context holds, captions that
 * stand for several persons, persons in several splits, images that stand there twice. What cannot be read at all is one more error
 * there, beside the status. Of RegDB all ten trials are looked at unless the options name one; the first is returned. */
xr_status xr_dataset_check(xr_dataset **dataset, const char *name, const char *root, const xr_dataset_options *options);

/* How many of n identities are held out: n * share rounded to the nearest, at least 1; 0 for a share of 0. */
size_t xr_held_out(size_t identities, double share);

/* What the official release holds. */
typedef struct xr_split_counts {
  size_t identities, images, captions;
  size_t infrared; /* of the images */
} xr_split_counts;

xr_split_counts xr_count_split(const xr_split *split);

/* [XR_SPLITS], zeros where the release has no such split; NULL: the name is unknown. */
const xr_split_counts *xr_dataset_expected(const char *name);

/* The training identities of the release that are left with this val_holdout. */
size_t xr_dataset_classes(const xr_split_counts *expected, double val_holdout);

/* "cuhk-pedes, icfg-pedes, .." */
const char *xr_dataset_names(char *list, size_t size);
