/* What adapters build a data set with: append records in official order, then finish. */
#pragma once

#include "host/data/dataset.h"

typedef struct {
  xr_image_record *images;
  size_t image_count, image_capacity;
  xr_caption_record *captions;
  size_t caption_count, caption_capacity;
} xr_split_builder;

typedef struct xr_dataset_adapter xr_dataset_adapter;

typedef struct {
  xr_dataset *dataset;
  const xr_dataset_adapter *adapter;
  const xr_dataset_options *options;
  const xr_split_counts *expected; /* the adapter's, unless it sets others for these options */
  const char *source;              /* the annotation file, for messages; the adapter sets it (in the data set's arena) */
  bool no_val;                     /* the release, or the form of it that was found, has no val split */
  xr_split_builder splits[XR_SPLITS];
} xr_dataset_builder;

/* Counts of another release or selection that is around. */
typedef struct {
  xr_split_counts counts[XR_SPLITS];
  const char *remark; /* what it is and what to do about it */
} xr_known_variant;

/* One adapter: `open` appends every record and sets builder->source; the caller finishes. */
struct xr_dataset_adapter {
  const char *name;
  xr_status (*open)(xr_dataset_builder *builder);
  int32_t first_id; /* of the training identities; some forms start from 0 in its place */
  bool sparse_ids;  /* training identities have gaps by nature */
  bool infrared;    /* a visible-infrared set */
  bool own_numbers; /* train and test number their persons each from 0: an id in both says nothing */
  int32_t trials;   /* official pairs of train and test; 0: there is one */
  xr_split_counts expected[XR_SPLITS];
  const xr_known_variant *variant; /* NULL: none is known */
};

extern const xr_dataset_adapter xr_cuhk_pedes, xr_icfg_pedes, xr_rstpreid, xr_sysu_mm01, xr_regdb, xr_llcm;

/* The adapter's own_numbers and trials; false and 0 for an unknown name. */
bool xr_dataset_own_numbers(const char *name);
int32_t xr_dataset_trials(const char *name);

/* Appends an image; its image_id becomes its place in the split. `folder` + "/" + `file` is its path. */
xr_status xr_build_image(xr_dataset_builder *builder, xr_split_id split, const char *folder, const char *file, xr_image_record image);

/* Appends a caption of the split's image `image`. */
xr_status xr_build_caption(xr_dataset_builder *builder, xr_split_id split, size_t image, int32_t number, const char *text);

/* True when the options ask for this split, by name or by asking for all. */
bool xr_build_wants(const xr_dataset_builder *builder, xr_split_id split);

/* For a failure that leaves the rest usable, just made with xr_fail(): XR_OK and an entry in the list of problems where the options have
 * one, else `status`. */
xr_status xr_build_problem(const xr_dataset_builder *builder, xr_status status, const char *kind, size_t count);

/* Files with the same fault: reported one by one where the options ask for it, and together as one problem that names the first few. */
enum { XR_NAMED_FAULTS = 3 };
typedef struct {
  const xr_dataset_builder *builder;
  const char *kind;
  size_t count;
  char first[XR_NAMED_FAULTS * 200];
} xr_faults;
void xr_fault(xr_faults *faults, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* XR_OK without faults; else a failure, or a problem as of xr_build_problem: "SOURCE: COUNT WHAT: the first few. REMEDY". */
xr_status xr_faults_end(const xr_faults *faults, xr_status status, const char *source, const char *what, const char *remedy);

/* To the list of problems, or to the log. */
void xr_build_warn(const xr_dataset_builder *builder, const char *kind, size_t count, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Warns of wanted splits whose counts are not those of the official release. */
xr_status xr_build_compare_counts(const xr_dataset_builder *builder);

/* What a path below the root is in messages. */
const char *xr_below_root(const xr_dataset *dataset, const char *path);

/* Moves the training identities that options->val_holdout asks for to the val split. */
xr_status xr_build_hold_out(xr_dataset_builder *builder);

/* The distinct pids of the images, ascending, in a fresh list (free()). */
xr_status xr_distinct_ids(const xr_image_record *images, size_t image_count, int32_t **ids, size_t *count);

/* Compares counts, holds out, numbers the training identities, checks that the files of the wanted splits exist, moves everything into the
 * data set. */
xr_status xr_build_finish(xr_dataset_builder *builder);
void xr_build_free(xr_dataset_builder *builder); /* what xr_build_finish has not moved; may be called after it */
