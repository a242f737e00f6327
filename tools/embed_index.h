/* Indices as commands make them (host/eval/index.h). */
#pragma once

#include "host/eval/embedder.h"
#include "host/io/npy.h"

typedef struct {
  const char *folder;    /* of the index */
  const char *storage;   /* "f32" or "bf16"; NULL: f32 */
  int64_t shard_entries; /* 0: as the index was begun */
} xr_index_options;

/* The pictures of a folder or a list (tools/embed_inputs.h). */
xr_status xr_index_pictures(xr_embedder *embedder, const char *list_or_folder, const xr_index_options *options);

/* Features made anywhere, float32 or float16 npy [N, D], and the pictures that they belong to (NULL: not known). */
xr_status xr_index_features(const char *features, const char *list_or_folder, const xr_index_options *options);

/* float32 or float16 npy [N, D], opened; rows are converted one by one. */
xr_status xr_open_features(const char *path, xr_npy **features);
void xr_feature_row(const xr_npy *features, int64_t row, float *out);

bool xr_is_storage(const char *name);
