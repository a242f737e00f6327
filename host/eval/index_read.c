#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/checksum.h"
#include "host/eval/index_file.h"
#include "host/io/safetensors.h"

/* A shard that was used. */
typedef struct {
  xr_safetensors *file; /* NULL: not mapped yet */
  bool checked;
  xr_index_shard view;
  const int64_t *path_starts;
  const char *paths;
  size_t path_bytes;
} mapped;

struct xr_index {
  char folder[XR_PATH_MAX];
  xr_index_file file;
  mapped *shards;
  int64_t *first; /* [shards + 1] rows before each */
  int64_t rows, skipped;
};

bool xr_index_exists(const char *folder) {
  char path[XR_PATH_MAX];
  return xr_path_join(path, folder, "index.json") == XR_OK && xr_is_file(path);
}

/* ---- opening */
static xr_status look_for_shard(const xr_index *x, size_t number) {
  const xr_index_shard_record *record = &x->file.shards[number];
  char path[XR_PATH_MAX];
  struct stat info;
  XR_TRY(xr_index_shard_path(path, x->folder, number));
  if (stat(path, &info) != 0)
    return xr_fail(XR_BAD_INPUT, "%s is missing, though index.json lists it; xreid embed with --index %s makes it anew", path, x->folder);
  if (info.st_size != record->bytes)
    return xr_fail(XR_BAD_INPUT, "%s is damaged: %lld bytes instead of %" PRId64 "; xreid embed with --index %s makes it anew", path,
                   (long long)info.st_size, record->bytes, x->folder);
  return XR_OK;
}

static xr_status open_shards(xr_index *x) {
  const size_t count = x->file.shard_count;
  x->shards = calloc(count + 1, sizeof *x->shards);
  x->first = calloc(count + 1, sizeof *x->first);
  if (!x->shards || !x->first) return xr_fail(XR_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < count; i++) {
    x->first[i + 1] = x->first[i] + x->file.shards[i].rows;
    x->skipped += x->file.shards[i].skipped;
    XR_TRY(look_for_shard(x, i));
  }
  x->rows = x->first[count];
  return XR_OK;
}

xr_status xr_index_open(xr_index **index, const char *folder) {
  *index = NULL;
  xr_index *x = calloc(1, sizeof *x);
  if (!x) return xr_fail(XR_NO_MEMORY, "out of memory");
  xr_status status = xr_path_join(x->folder, "", folder);
  if (status == XR_OK) status = xr_index_file_read(&x->file, folder);
  if (status == XR_OK) status = open_shards(x);
  if (status != XR_OK) {
    xr_index_close(x);
    return status;
  }
  *index = x;
  return XR_OK;
}

void xr_index_close(xr_index *x) {
  if (!x) return;
  for (size_t i = 0; x->shards && i < x->file.shard_count; i++) xr_safetensors_close(x->shards[i].file);
  free(x->shards);
  free(x->first);
  xr_index_file_free(&x->file);
  free(x);
}

const char *xr_index_folder(const xr_index *x) { return x->folder; }
const xr_index_form *xr_index_form_of(const xr_index *x) { return &x->file.form; }
int64_t xr_index_rows(const xr_index *x) { return x->rows; }
int64_t xr_index_skipped(const xr_index *x) { return x->skipped; }
int64_t xr_index_missing(const xr_index *x) { return x->file.has_list ? x->file.list.entries - x->rows - x->skipped : 0; }
int64_t xr_index_shards(const xr_index *x) { return (int64_t)x->file.shard_count; }

xr_status xr_index_check_model(const xr_index *x, const xr_index_fact *model, size_t facts) {
  return xr_index_compare(x->folder, &x->file.form, model, facts, "search it with that model, or make an index with this one");
}

/* ---- shards */
typedef struct {
  const char *name;
  xr_dtype dtype;
  int rank;
  int64_t dim[3];
  const void **data;
} expected_tensor;

static xr_status take_tensor(const xr_safetensors *file, const expected_tensor *e) {
  const xr_stored_tensor *t = xr_safetensors_find(file, e->name);
  if (!t) return xr_fail(XR_BAD_INPUT, "holds no tensor \"%s\"", e->name);
  bool fits = t->dtype == e->dtype && t->rank == e->rank && (uintptr_t)t->data % xr_dtype_bytes(t->dtype) == 0;
  for (int i = 0; fits && i < e->rank; i++) fits = t->dim[i] == e->dim[i];
  if (!fits) return xr_fail(XR_BAD_INPUT, "the tensor \"%s\" is not what index.json says", e->name);
  *e->data = t->data;
  return XR_OK;
}

static xr_status take_tensors(const xr_index *x, mapped *m, int64_t rows) {
  const xr_index_form *form = &x->file.form;
  const int64_t d = form->width, k = form->set_size;
  const xr_stored_tensor *paths = xr_safetensors_find(m->file, "paths");
  m->path_bytes = paths ? paths->bytes : 0;
  const expected_tensor list[] = {{"ids", XR_I64, 1, {rows}, (const void **)&m->view.ids},
                                  {"cameras", XR_I64, 1, {rows}, (const void **)&m->view.cameras},
                                  {"path_starts", XR_I64, 1, {rows}, (const void **)&m->path_starts},
                                  {"features", form->storage, 2, {rows, d}, &m->view.features},
                                  {"modalities", XR_U8, 1, {rows}, (const void **)&m->view.modalities},
                                  {"paths", XR_U8, 1, {(int64_t)m->path_bytes}, (const void **)&m->paths},
                                  {"sets", form->storage, 3, {rows, k, d}, &m->view.sets}};
  const size_t count = sizeof list / sizeof *list - (k ? 0 : 1);
  for (size_t i = 0; i < count; i++) XR_TRY(take_tensor(m->file, &list[i]));
  if (rows && (!m->path_bytes || m->paths[m->path_bytes - 1])) return xr_fail(XR_BAD_INPUT, "the paths have no end");
  for (int64_t i = 0; i < rows; i++)
    if (m->path_starts[i] < 0 || (uint64_t)m->path_starts[i] >= m->path_bytes) return xr_fail(XR_BAD_INPUT, "a path lies outside of them");
  return XR_OK;
}

static xr_status map_shard(xr_index *x, size_t number) {
  mapped *m = &x->shards[number];
  char path[XR_PATH_MAX];
  if (m->file) return XR_OK;
  XR_TRY(xr_index_shard_path(path, x->folder, number));
  xr_status status = xr_safetensors_open(&m->file, path);
  if (status == XR_OK || status == XR_NO_MEMORY || status == XR_IO) return status;
  return xr_fail_in(XR_BAD_INPUT, "a damaged shard (xreid embed with --index %s makes it anew)", x->folder);
}

static xr_status check_shard(xr_index *x, size_t number) {
  mapped *m = &x->shards[number];
  const xr_index_shard_record *record = &x->file.shards[number];
  size_t bytes;
  const void *content = xr_safetensors_bytes(m->file, &bytes);
  const uint32_t checksum = xr_checksum(0, content, bytes);
  char path[XR_PATH_MAX];
  XR_TRY(xr_index_shard_path(path, x->folder, number));
  if (checksum != record->checksum)
    return xr_fail(XR_BAD_INPUT,
                   "%s is damaged: its checksum is %08" PRIx32 ", index.json says %08" PRIx32 "; xreid embed with --index %s makes it anew",
                   path, checksum, record->checksum, x->folder);
  xr_status status = take_tensors(x, m, record->rows);
  if (status != XR_OK) return xr_fail_in(status, "%s", path);
  m->view.first = x->first[number];
  m->view.rows = record->rows;
  m->checked = true;
  return XR_OK;
}

xr_status xr_index_shard_at(xr_index *x, int64_t number, xr_index_shard *shard) {
  if (number < 0 || number >= xr_index_shards(x)) return xr_fail(XR_BAD_ARGUMENT, "%s has no shard %" PRId64, x->folder, number);
  mapped *m = &x->shards[number];
  XR_TRY(map_shard(x, (size_t)number));
  if (!m->checked) XR_TRY(check_shard(x, (size_t)number));
  *shard = m->view;
  return XR_OK;
}

void xr_index_read_ahead(xr_index *x, int64_t number) {
  if (number < xr_index_shards(x) && map_shard(x, (size_t)number) == XR_OK) xr_safetensors_read_ahead(x->shards[number].file);
}

void xr_index_forget(xr_index *x, int64_t number) {
  const mapped *m = &x->shards[number];
  if (!m->file) return;
  for (size_t i = 0; i < xr_safetensors_count(m->file); i++) xr_safetensors_forget(m->file, xr_safetensors_at(m->file, i));
}

/* ---- rows */
int64_t xr_index_shard_of(const xr_index *x, int64_t row) {
  int64_t low = 0, high = xr_index_shards(x); /* first[low] <= row < first[high] */
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    if (x->first[middle] <= row)
      low = middle;
    else
      high = middle;
  }
  return low;
}

xr_status xr_index_item_at(xr_index *x, int64_t row, xr_index_item *item) {
  xr_index_shard shard = {0};
  if (row < 0 || row >= x->rows) return xr_fail(XR_BAD_ARGUMENT, "%s has no row %" PRId64, x->folder, row);
  const int64_t number = xr_index_shard_of(x, row);
  XR_TRY(xr_index_shard_at(x, number, &shard));
  const int64_t i = row - shard.first;
  const mapped *m = &x->shards[number];
  *item = (xr_index_item){
      .path = m->paths + m->path_starts[i], .id = shard.ids[i], .camera = shard.cameras[i], .modality = (xr_modality)shard.modalities[i]};
  return XR_OK;
}

xr_status xr_index_picture(const xr_index *x, const xr_index_item *item, char *out) {
  XR_TRY(xr_path_join(out, "", item->path));
  if (item->path[0] == '/' || xr_is_file(out)) return XR_OK;
  return xr_path_join(out, x->file.folder, item->path);
}
