/* What adapters build a data set with: append records in official order, then finish. */
#pragma once

#include "host/data/dataset.h"

typedef struct {
  xr_image_record *images;
  size_t image_count, image_capacity;
  xr_caption_record *captions;
  size_t caption_count, caption_capacity;
} xr_split_builder;

typedef struct {
  xr_dataset *dataset;
  const xr_dataset_options *options;
  const char *source; /* the annotation file, for messages; the adapter sets it (in the data set's arena) */
  xr_split_builder splits[XR_SPLITS];
} xr_dataset_builder;

/* One adapter: `open` appends every record and sets builder->source; the caller finishes. */
typedef struct {
  const char *name;
  xr_status (*open)(xr_dataset_builder *builder);
  xr_split_counts expected[XR_SPLITS];
} xr_dataset_adapter;

extern const xr_dataset_adapter xr_cuhk_pedes;

/* Appends an image; its image_id becomes its place in the split. `folder` + "/" + `file` is its path. */
xr_status xr_build_image(xr_dataset_builder *builder, xr_split_id split, const char *folder, const char *file, xr_image_record image);

/* Appends a caption of the split's image `image`. */
xr_status xr_build_caption(xr_dataset_builder *builder, xr_split_id split, size_t image, int32_t number, const char *text);

/* True when the options ask for this split, by name or by asking for all. */
bool xr_build_wants(const xr_dataset_builder *builder, xr_split_id split);

/* Numbers the training identities, checks that the files of the wanted splits exist, moves everything into the data set. */
xr_status xr_build_finish(xr_dataset_builder *builder);
void xr_build_free(xr_dataset_builder *builder); /* what xr_build_finish has not moved; may be called after it */
