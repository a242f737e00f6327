#include "tools/embed_index.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/checksum.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "tools/embed_inputs.h"

bool xr_is_storage(const char *name) { return strcmp(name, "f32") == 0 || strcmp(name, "bf16") == 0; }

static xr_dtype storage_of(const xr_index_options *o) { return o->storage && strcmp(o->storage, "bf16") == 0 ? XR_BF16 : XR_F32; }

xr_status xr_index_pictures(xr_embedder *embedder, const char *from, const xr_index_options *o) {
  xr_split split = {0};
  xr_arena *arena = xr_arena_new();
  xr_status status = arena ? xr_read_image_list(arena, from, &split) : XR_NO_MEMORY;
  if (status == XR_OK)
    status = xr_embed_index(embedder, o->folder, split.images, (int64_t)split.image_count, storage_of(o), o->shard_entries);
  xr_arena_free(arena);
  return status;
}

/* ---- features from elsewhere */
xr_status xr_open_features(const char *path, xr_npy **features) {
  XR_TRY(xr_npy_open(features, path));
  const xr_npy *f = *features;
  if (f->rank == 2 && f->count && (f->dtype == XR_F32 || f->dtype == XR_F16)) return XR_OK;
  return xr_fail(XR_BAD_INPUT, "%s: features are float32 or float16 [N, D]; this array is %s with %d dimensions and %" PRId64 " numbers",
                 path, xr_dtype_name(f->dtype), f->rank, f->count);
}

void xr_feature_row(const xr_npy *f, int64_t row, float *out) {
  const xr_stored_tensor part = {.dtype = f->dtype,
                                 .rank = 1,
                                 .dim = {f->dim[1]},
                                 .data = (const char *)f->data + (size_t)(row * f->dim[1]) * xr_dtype_bytes(f->dtype)};
  xr_stored_to_f32(&part, out);
}

static xr_status add_rest(xr_index_writer *writer, const xr_npy *features, const xr_split *split) {
  float *row = xr_block_alloc((size_t)features->dim[1] * sizeof *row);
  xr_status status = row ? XR_OK : XR_NO_MEMORY;
  for (int64_t i = xr_index_writer_entries(writer); i < features->dim[0] && status == XR_OK; i++) {
    xr_index_item item = {.path = "", .id = -1, .camera = -1};
    if (split->images) {
      const xr_image_record *p = &split->images[i];
      item = (xr_index_item){.path = p->path, .id = p->pid, .camera = p->camera, .modality = p->modality};
    }
    xr_feature_row(features, i, row);
    status = xr_index_add(writer, row, NULL, &item);
  }
  xr_block_free(row);
  return status == XR_OK ? xr_index_finish(writer) : status;
}

static xr_status write_features(const xr_npy *features, const xr_split *split, const xr_index_options *o) {
  const int64_t count = features->dim[0];
  const xr_index_form form = {.width = features->dim[1], .storage = storage_of(o), .shard_entries = o->shard_entries};
  xr_index_list list = xr_index_list_of(split->images, split->image_count);
  list.checksum = xr_checksum(list.checksum, features->data, (size_t)features->count * xr_dtype_bytes(features->dtype));
  list.entries = count;
  xr_index_writer *writer;
  XR_TRY(xr_index_writer_open(&writer, o->folder, &form, &list));
  xr_status status = add_rest(writer, features, split);
  xr_index_writer_free(writer);
  return status;
}

xr_status xr_index_features(const char *path, const char *from, const xr_index_options *o) {
  xr_npy *features = NULL;
  xr_split split = {0};
  xr_arena *arena = xr_arena_new();
  xr_status status = arena ? xr_open_features(path, &features) : XR_NO_MEMORY;
  if (status == XR_OK && from) status = xr_read_image_list(arena, from, &split);
  if (status == XR_OK && from && (int64_t)split.image_count != features->dim[0])
    status = xr_fail(XR_BAD_INPUT, "%s has %" PRId64 " rows, %s names %zu pictures", path, features->dim[0], from, split.image_count);
  if (status == XR_OK) status = write_features(features, &split, o);
  xr_npy_close(features);
  xr_arena_free(arena);
  return status;
}
