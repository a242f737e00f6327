/* The JSON files of text-to-image data sets, in the two forms that are around.
 *
 * Records, one an image:        [{"id": 17, "file_path": "CUHK01/1.png", "captions": ["..", ".."], "split": "train"}, ..]
 * Annotations, one a caption:   {"annotations": [{"id": 17, "image_id": 4, "file_path": "CUHK01/1.png", "sentence": ".."}, ..]}
 *
 * Other keys are ignored. An empty caption stays, with a warning: published code ranks it like any other. Errors name the file and the
 * record (the first is record 0), and for broken JSON the line and column. */
#pragma once

#include "host/data/dataset_build.h"

typedef struct {
  const char *path_key;      /* "file_path", RSTPReid: "img_path"; a record with only the other one is read too */
  const char *without_split; /* what to say about a file in which no record has a split */
} xr_caption_schema;

/* A record's split is train when "split" is exactly "train", test when exactly "test", and val for any other string. */
xr_status xr_read_caption_records(xr_dataset_builder *builder, const char *file, const char *image_folder, const xr_caption_schema *schema);

/* The same records in one file a split: "split" is neither needed nor read. */
xr_status xr_read_split_records(xr_dataset_builder *builder, const char *file, const char *image_folder, const xr_caption_schema *schema,
                                xr_split_id split);

/* Captions with one image_id belong to one image, which stands where its first caption stands. */
xr_status xr_read_caption_annotations(xr_dataset_builder *builder, const char *file, const char *image_folder, xr_split_id split);
