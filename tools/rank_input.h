/* The files that `xreid rank` evaluates. */
#pragma once

#include "host/eval/evaluate.h"
#include "host/io/npy.h"

typedef struct {
  const char *query, *gallery, *query_sets, *gallery_sets, *scores, *distances;
  const char *query_ids, *gallery_ids, *query_cameras, *gallery_cameras, *trials;
  size_t mapped_bytes; /* row_source.h */
} xr_rank_files;

/* The input's arrays live in mapped files or, converted, in the arena. */
enum { XR_RANK_FILES = 12 };
typedef struct {
  xr_arena *arena;
  xr_npy *file[XR_RANK_FILES];
  int files;
  xr_trial *trial; /* [trials]: the one that is everything, or those of the file */
  size_t trials;
} xr_rank_arrays;

/* Fills in everything of `in` but the rule. Close the arrays after either outcome. */
xr_status xr_rank_load(xr_rank_arrays *arrays, const xr_rank_files *files, xr_evaluation_input *in);
void xr_rank_close(xr_rank_arrays *arrays);
