/* The folder of a text-to-image data set: ROOT/imgs and annotations, in the official file or in a rearranged form.
 *
 * Forms with one file a split are accepted for every set where the official file is missing:
 *   ROOT/annotations/{train,val,test}.json      one entry a caption (TextReID)
 *   ROOT/processed_data/{train,val,test}.json   the records unchanged, their path as file_path (RaSa)
 *   ROOT/{train,test}_reid.json                 the records without those of val (TBPS-CLIP) */
#pragma once

#include "host/data/caption_json.h"

typedef struct {
  const char *title;    /* as the publications write it; archives unpack to a folder of this name */
  const char *files[2]; /* the official file and another name of it, or NULL */
  xr_caption_schema schema;
  const char *useless, *useless_help; /* a file of the download that is no annotation file, and what to say to who has only that; or NULL */
} xr_caption_layout;

/* Appends all records that the builder wants and sets builder->source. */
xr_status xr_open_caption_layout(xr_dataset_builder *builder, const xr_caption_layout *layout);
