#include "tools/rank_input.h"

#include <inttypes.h>

static xr_status load(xr_rank_arrays *l, const char *path, int rank, const char *shape, xr_npy **file) {
  XR_TRY(xr_npy_open(file, path));
  l->file[l->files++] = *file;
  if ((*file)->rank != rank) return xr_fail(XR_BAD_SHAPE, "%s: has %d dimensions, %s is expected", path, (*file)->rank, shape);
  return XR_OK;
}

static xr_status load_floats(xr_rank_arrays *l, const char *path, int rank, const char *shape, const xr_npy **floats) {
  xr_npy *file;
  XR_TRY(load(l, path, rank, shape, &file));
  if (file->dtype != XR_F32 && file->dtype != XR_F16)
    return xr_fail(XR_BAD_INPUT, "%s: holds %s, float32 or float16 is expected; save .astype('float32')", path, xr_dtype_name(file->dtype));
  *floats = file;
  return XR_OK;
}

static xr_status load_integers(xr_rank_arrays *l, const char *path, const char *side, int64_t count, const int64_t **data) {
  xr_npy *file;
  XR_TRY(load(l, path, 1, "one number for each item", &file));
  if (file->dim[0] != count)
    return xr_fail(XR_BAD_SHAPE, "%s: has %" PRId64 " entries, the %s has %" PRId64 " rows", path, file->dim[0], side, count);
  *data = file->data;
  if (file->dtype == XR_I64) return XR_OK;
  if (file->dtype != XR_I32)
    return xr_fail(XR_BAD_INPUT, "%s: holds %s, int64 is expected; save .astype('int64')", path, xr_dtype_name(file->dtype));
  int64_t *wide = XR_NEW_ARRAY(l->arena, int64_t, count);
  if (!wide) return XR_NO_MEMORY;
  for (int64_t i = 0; i < count; i++) wide[i] = ((const int32_t *)file->data)[i];
  *data = wide;
  return XR_OK;
}

/* A count that several files have to agree on; 0: not known yet. */
static xr_status agree(int64_t *count, int64_t here, const char *path, const char *side) {
  if (*count && *count != here) return xr_fail(XR_BAD_SHAPE, "%s: has %" PRId64 " rows, the %s has %" PRId64, path, here, side, *count);
  *count = here;
  return XR_OK;
}

static xr_status load_features(xr_rank_arrays *l, const xr_rank_files *f, xr_evaluation_input *in) {
  const xr_npy *query, *gallery;
  XR_TRY(load_floats(l, f->query, 2, "[Q, D]", &query));
  XR_TRY(load_floats(l, f->gallery, 2, "[G, D]", &gallery));
  if (query->dim[1] != gallery->dim[1])
    return xr_fail(XR_BAD_SHAPE, "%s has features of %" PRId64 " elements, %s of %" PRId64, f->query, query->dim[1], f->gallery,
                   gallery->dim[1]);
  in->query_features = xr_row_source_of_npy(query, f->mapped_bytes);
  in->gallery_features = xr_row_source_of_npy(gallery, f->mapped_bytes);
  in->queries = query->dim[0];
  in->gallery = gallery->dim[0];
  in->width = query->dim[1];
  return XR_OK;
}

static xr_status load_sets(xr_rank_arrays *l, const xr_rank_files *f, xr_evaluation_input *in) {
  const xr_npy *query, *gallery;
  XR_TRY(load_floats(l, f->query_sets, 3, "[Q, K, D]", &query));
  XR_TRY(load_floats(l, f->gallery_sets, 3, "[G, K, D]", &gallery));
  if (query->dim[2] != gallery->dim[2])
    return xr_fail(XR_BAD_SHAPE, "%s has sets of vectors of %" PRId64 " elements, %s of %" PRId64, f->query_sets, query->dim[2],
                   f->gallery_sets, gallery->dim[2]);
  XR_TRY(agree(&in->queries, query->dim[0], f->query_sets, "query side"));
  XR_TRY(agree(&in->gallery, gallery->dim[0], f->gallery_sets, "gallery side"));
  in->query_sets = xr_row_source_of_npy(query, f->mapped_bytes);
  in->gallery_sets = xr_row_source_of_npy(gallery, f->mapped_bytes);
  in->set_width = query->dim[2];
  in->query_set_size = query->dim[1];
  in->gallery_set_size = gallery->dim[1];
  return XR_OK;
}

static xr_status load_matrix(xr_rank_arrays *l, const xr_rank_files *f, xr_evaluation_input *in) {
  const xr_npy *matrix;
  in->distances = f->distances != NULL;
  XR_TRY(load_floats(l, in->distances ? f->distances : f->scores, 2, "[Q, G]", &matrix));
  in->scores = (xr_row_source){.data = matrix->data, .dtype = matrix->dtype};
  in->queries = matrix->dim[0];
  in->gallery = matrix->dim[1];
  return XR_OK;
}

/* A row of 0 and 1 for each trial becomes a row of bits. */
static xr_status load_trials(xr_rank_arrays *l, const char *path, int64_t gallery) {
  xr_npy *file;
  l->trials = 1;
  if (path) {
    XR_TRY(load(l, path, 2, "[trials, G]", &file));
    if (file->dtype != XR_U8) return xr_fail(XR_BAD_INPUT, "%s: holds %s, bool or uint8 is expected", path, xr_dtype_name(file->dtype));
    if (file->dim[1] != gallery || !file->dim[0])
      return xr_fail(XR_BAD_SHAPE, "%s: is %" PRId64 " x %" PRId64 ", a row of %" PRId64 " for each trial is expected", path, file->dim[0],
                     file->dim[1], gallery);
    l->trials = (size_t)file->dim[0];
  }
  const size_t words = (size_t)gallery / 64 + 1;
  l->trial = XR_NEW_ARRAY(l->arena, xr_trial, l->trials);
  uint64_t *bits = path ? XR_NEW_ARRAY(l->arena, uint64_t, l->trials * words) : NULL;
  if (!l->trial || (path && !bits)) return XR_NO_MEMORY;
  for (size_t t = 0; path && t < l->trials; t++) {
    const uint8_t *row = (const uint8_t *)file->data + t * (size_t)gallery;
    l->trial[t].gallery = bits + t * words;
    for (int64_t g = 0; g < gallery; g++) bits[t * words + (size_t)g / 64] |= (uint64_t)(row[g] != 0) << g % 64;
  }
  return XR_OK;
}

xr_status xr_rank_load(xr_rank_arrays *l, const xr_rank_files *f, xr_evaluation_input *in) {
  *l = (xr_rank_arrays){.arena = xr_arena_new()};
  if (!l->arena) return XR_NO_MEMORY;
  if (f->query) XR_TRY(load_features(l, f, in));
  if (f->query_sets) XR_TRY(load_sets(l, f, in));
  if (f->scores || f->distances) XR_TRY(load_matrix(l, f, in));
  XR_TRY(load_integers(l, f->query_ids, "query side", in->queries, &in->query_ids));
  XR_TRY(load_integers(l, f->gallery_ids, "gallery side", in->gallery, &in->gallery_ids));
  if (f->query_cameras) XR_TRY(load_integers(l, f->query_cameras, "query side", in->queries, &in->query_cameras));
  if (f->gallery_cameras) XR_TRY(load_integers(l, f->gallery_cameras, "gallery side", in->gallery, &in->gallery_cameras));
  return load_trials(l, f->trials, in->gallery);
}

void xr_rank_close(xr_rank_arrays *l) {
  for (int i = 0; i < l->files; i++) xr_npy_close(l->file[i]);
  xr_arena_free(l->arena);
  *l = (xr_rank_arrays){0};
}
