#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/checksum.h"
#include "host/base/log.h"
#include "host/eval/index_file.h"
#include "host/io/safetensors.h"

struct xr_index_writer {
  char folder[XR_PATH_MAX], here[XR_PATH_MAX];
  int lock; /* the folder, held exclusively; -1: not yet */
  xr_index_file file;
  int64_t entries, rows_on_disk;
  /* the shard that is being filled */
  int64_t rows, skipped;
  char *features, *sets; /* form.storage */
  int64_t *ids, *cameras, *path_starts;
  uint8_t *modalities;
  char *paths;
  size_t path_bytes, path_room;
};

/* ---- lists */
xr_index_list xr_index_list_of(const xr_image_record *images, size_t count) {
  xr_index_list list = {.entries = (int64_t)count};
  for (size_t i = 0; i < count; i++) {
    struct stat info;
    const int64_t size = stat(images[i].path, &info) == 0 ? (int64_t)info.st_size : -1;
    list.checksum = xr_checksum(list.checksum, images[i].path, strlen(images[i].path) + 1);
    list.checksum = xr_checksum(list.checksum, &size, sizeof size);
  }
  return list;
}

/* ---- going on with an index */
/* Size and checksum of a shard as it lies on disk. */
static xr_status describe_shard(const char *path, xr_index_shard_record *record) {
  xr_safetensors *file;
  size_t bytes;
  XR_TRY(xr_safetensors_open(&file, path));
  const void *content = xr_safetensors_bytes(file, &bytes);
  record->bytes = (int64_t)bytes;
  record->checksum = xr_checksum(0, content, bytes);
  xr_safetensors_close(file);
  return XR_OK;
}

static xr_status compare_forms(const xr_index_writer *w, const xr_index_form *form) {
  const xr_index_form *had = &w->file.form;
  XR_TRY(xr_index_compare(w->folder, had, form->model, form->facts, "go on with that model, or take another folder"));
  if (had->width != form->width || had->set_size != form->set_size)
    return xr_fail(XR_BAD_INPUT, "%s has features of %" PRId64 " numbers and sets of %" PRId64 ", these are of %" PRId64 " and %" PRId64,
                   w->folder, had->width, had->set_size, form->width, form->set_size);
  if (had->storage != form->storage)
    return xr_fail(XR_BAD_INPUT, "%s was begun with storage %s, here it is %s: go on with that, or take another folder", w->folder,
                   xr_dtype_name(had->storage), xr_dtype_name(form->storage));
  if (form->shard_entries && had->shard_entries != form->shard_entries)
    return xr_fail(XR_BAD_INPUT,
                   "%s was begun with shards of %" PRId64 ", here they are of %" PRId64 ": go on with that, or take another folder",
                   w->folder, had->shard_entries, form->shard_entries);
  return XR_OK;
}

static xr_status compare_lists(const xr_index_writer *w, const xr_index_list *list) {
  if (w->file.has_list != (list != NULL))
    return xr_fail(XR_BAD_INPUT, "%s %s: take another folder", w->folder,
                   list ? "was not made from a list of pictures" : "was made from a list of pictures and takes no others");
  if (list && (list->entries != w->file.list.entries || list->checksum != w->file.list.checksum))
    return xr_fail(XR_BAD_INPUT,
                   "%s was begun with other pictures: %" PRId64 " then, %" PRId64
                   " now, and their names or the sizes of their files differ; take another folder, or remove this one",
                   w->folder, w->file.list.entries, list->entries);
  return XR_OK;
}

static xr_status check_shards(const xr_index_writer *w, size_t *good) {
  for (*good = 0; *good < w->file.shard_count; (*good)++) {
    const xr_index_shard_record *stated = &w->file.shards[*good];
    xr_index_shard_record found = {0};
    char path[XR_PATH_MAX];
    XR_TRY(xr_index_shard_path(path, w->folder, *good));
    XR_TRY(describe_shard(path, &found));
    if (found.checksum != stated->checksum || found.bytes != stated->bytes)
      return xr_fail(XR_BAD_INPUT, "%s is damaged: its checksum is %08" PRIx32 ", index.json says %08" PRIx32, path, found.checksum,
                     stated->checksum);
  }
  return XR_OK;
}

static xr_status keep_whole_shards(xr_index_writer *w) {
  size_t good;
  xr_status status = check_shards(w, &good);
  if (status != XR_OK && !w->file.has_list) return status;
  if (status != XR_OK) {
    xr_warn("%s; this shard and those after it are embedded anew", xr_message());
    w->file.shard_count = good;
  }
  for (size_t i = 0; i < w->file.shard_count; i++) {
    w->rows_on_disk += w->file.shards[i].rows;
    w->entries += w->file.shards[i].rows + w->file.shards[i].skipped;
  }
  return XR_OK;
}

/* ---- opening */
static xr_status copy_form(xr_index_file *file, const xr_index_form *form) {
  file->form = *form;
  if (!file->form.shard_entries) file->form.shard_entries = XR_INDEX_SHARD;
  for (size_t i = 0; i < form->facts; i++) {
    file->form.model[i] = (xr_index_fact){xr_arena_copy(file->arena, form->model[i].name),
                                          xr_arena_copy(file->arena, form->model[i].value)};
    if (!file->form.model[i].name || !file->form.model[i].value) return XR_NO_MEMORY;
  }
  return XR_OK;
}

static xr_status begin(xr_index_writer *w, const xr_index_form *form, const xr_index_list *list) {
  xr_index_file *file = &w->file;
  file->arena = xr_arena_new();
  if (!file->arena) return XR_NO_MEMORY;
  XR_TRY(copy_form(file, form));
  file->has_list = list != NULL;
  if (list) file->list = *list;
  if (!getcwd(w->here, sizeof w->here)) return xr_fail(XR_IO, "the current folder: %s", strerror(errno));
  file->folder = w->here;
  return xr_index_file_write(file, w->folder);
}

static xr_status lock_folder(xr_index_writer *w) {
  XR_TRY(xr_make_folders(w->folder));
  w->lock = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (w->lock < 0) return xr_fail(XR_IO, "%s: %s", w->folder, strerror(errno));
  if (flock(w->lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return XR_OK; /* some file systems have no locks */
  return xr_fail(XR_IO, "%s: another process is writing to this index", w->folder);
}

static xr_status make_room(xr_index_writer *w) {
  const xr_index_form *form = &w->file.form;
  const size_t n = (size_t)form->shard_entries, row = (size_t)form->width * xr_dtype_bytes(form->storage);
  w->features = xr_block_alloc(n * row);
  w->sets = form->set_size ? xr_block_alloc(n * row * (size_t)form->set_size) : NULL;
  w->ids = malloc(n * sizeof *w->ids);
  w->cameras = malloc(n * sizeof *w->cameras);
  w->path_starts = malloc(n * sizeof *w->path_starts);
  w->modalities = malloc(n);
  if (w->features && (w->sets || !form->set_size) && w->ids && w->cameras && w->path_starts && w->modalities) return XR_OK;
  return xr_fail(XR_NO_MEMORY, "%s: out of memory for shards of %zu rows", w->folder, n);
}

static xr_status check_form(const xr_index_form *form) {
  if (form->width < 1 || form->set_size < 0 || form->facts > XR_INDEX_FACTS || form->shard_entries < 0 ||
      form->shard_entries > XR_INDEX_MAX_SHARD || (form->storage != XR_F32 && form->storage != XR_BF16))
    return xr_fail(XR_BAD_ARGUMENT, "an index of this form cannot be written");
  return XR_OK;
}

static xr_status open_writer(xr_index_writer *w, const char *folder, const xr_index_form *form, const xr_index_list *list) {
  XR_TRY(check_form(form));
  XR_TRY(xr_path_join(w->folder, "", folder));
  XR_TRY(lock_folder(w));
  if (!xr_index_exists(folder)) {
    XR_TRY(begin(w, form, list));
  } else {
    XR_TRY(xr_index_file_read(&w->file, folder));
    XR_TRY(compare_forms(w, form));
    XR_TRY(compare_lists(w, list));
    XR_TRY(keep_whole_shards(w));
  }
  return make_room(w);
}

xr_status xr_index_writer_open(xr_index_writer **writer, const char *folder, const xr_index_form *form, const xr_index_list *list) {
  *writer = NULL;
  xr_index_writer *w = calloc(1, sizeof *w);
  if (!w) return xr_fail(XR_NO_MEMORY, "out of memory");
  w->lock = -1;
  xr_status status = open_writer(w, folder, form, list);
  if (status != XR_OK) {
    xr_index_writer_free(w);
    return status;
  }
  *writer = w;
  return XR_OK;
}

void xr_index_writer_free(xr_index_writer *w) {
  if (!w) return;
  xr_block_free(w->features);
  xr_block_free(w->sets);
  free(w->ids);
  free(w->cameras);
  free(w->path_starts);
  free(w->modalities);
  free(w->paths);
  xr_index_file_free(&w->file);
  if (w->lock >= 0) close(w->lock);
  free(w);
}

int64_t xr_index_writer_entries(const xr_index_writer *w) { return w->entries; }
int64_t xr_index_writer_rows(const xr_index_writer *w) { return w->rows_on_disk + w->rows; }
int64_t xr_index_writer_shard_entries(const xr_index_writer *w) { return w->file.form.shard_entries; }

/* ---- shards */
/* Tensors whose elements are larger come first: all are aligned in the file. */
static xr_status write_shard(const xr_index_writer *w, const char *path) {
  const xr_index_form *form = &w->file.form;
  const int64_t n = w->rows, d = form->width, k = form->set_size;
  const size_t count = (size_t)n, row = (size_t)d * xr_dtype_bytes(form->storage), word = sizeof *w->ids;
  const xr_stored_tensor tensors[] = {
      {.name = "ids", .dtype = XR_I64, .rank = 1, .dim = {n}, .data = w->ids, .bytes = count * word},
      {.name = "cameras", .dtype = XR_I64, .rank = 1, .dim = {n}, .data = w->cameras, .bytes = count * word},
      {.name = "path_starts", .dtype = XR_I64, .rank = 1, .dim = {n}, .data = w->path_starts, .bytes = count * word},
      {.name = "features", .dtype = form->storage, .rank = 2, .dim = {n, d}, .data = w->features, .bytes = count * row},
      {.name = "sets", .dtype = form->storage, .rank = 3, .dim = {n, k, d}, .data = w->sets, .bytes = count * row * (size_t)k},
      {.name = "modalities", .dtype = XR_U8, .rank = 1, .dim = {n}, .data = w->modalities, .bytes = count},
      {.name = "paths", .dtype = XR_U8, .rank = 1, .dim = {(int64_t)w->path_bytes}, .data = w->paths, .bytes = w->path_bytes}};
  enum { TENSORS = sizeof tensors / sizeof *tensors };
  xr_stored_tensor used[TENSORS];
  size_t uses = 0;
  for (size_t i = 0; i < TENSORS; i++)
    if (k || strcmp(tensors[i].name, "sets") != 0) used[uses++] = tensors[i];
  return xr_safetensors_write(path, used, uses, NULL, 0);
}

static xr_status flush(xr_index_writer *w) {
  xr_index_file *file = &w->file;
  char path[XR_PATH_MAX];
  xr_index_shard_record record = {.rows = w->rows, .skipped = w->skipped};
  XR_TRY(xr_grow((void **)&file->shards, &file->shard_room, file->shard_count, sizeof *file->shards));
  XR_TRY(xr_index_shard_path(path, w->folder, file->shard_count));
  XR_TRY(write_shard(w, path));
  XR_TRY(describe_shard(path, &record));
  file->shards[file->shard_count++] = record;
  xr_status status = xr_index_file_write(file, w->folder);
  if (status != XR_OK) {
    file->shard_count--;
    return status;
  }
  w->entries += w->rows + w->skipped;
  w->rows_on_disk += w->rows;
  w->rows = w->skipped = 0;
  w->path_bytes = 0;
  return XR_OK;
}

static xr_status flush_when_full(xr_index_writer *w) { return w->rows + w->skipped == w->file.form.shard_entries ? flush(w) : XR_OK; }

static xr_status store(const xr_index_writer *w, const float *from, int64_t count, int64_t row, char *to) {
  const bool narrow = w->file.form.storage == XR_BF16;
  for (int64_t i = 0; i < count; i++)
    if (!isfinite(from[i])) return xr_fail(XR_NOT_FINITE, "row %" PRId64 ": number %" PRId64 " is %f", xr_index_writer_rows(w), i, from[i]);
  if (narrow)
    for (int64_t i = 0; i < count; i++) ((xr_bf16 *)to)[row * count + i] = xr_f32_to_bf16(from[i]);
  else
    memcpy((float *)to + row * count, from, (size_t)count * sizeof *from);
  return XR_OK;
}

static xr_status add_path(xr_index_writer *w, const char *path) {
  const size_t bytes = strlen(path) + 1;
  if (w->path_bytes + bytes > w->path_room) {
    const size_t room = 2 * w->path_room + bytes + 4096;
    char *larger = realloc(w->paths, room);
    if (!larger) return xr_fail(XR_NO_MEMORY, "out of memory");
    w->paths = larger;
    w->path_room = room;
  }
  memcpy(w->paths + w->path_bytes, path, bytes);
  w->path_starts[w->rows] = (int64_t)w->path_bytes;
  w->path_bytes += bytes;
  return XR_OK;
}

xr_status xr_index_add(xr_index_writer *w, const float *features, const float *sets, const xr_index_item *item) {
  const xr_index_form *form = &w->file.form;
  if (!features || !item->path || (sets != NULL) != (form->set_size > 0))
    return xr_fail(XR_BAD_ARGUMENT, "%s: a row has features, a path and %s", w->folder, form->set_size ? "a set" : "no set");
  xr_status status = store(w, features, form->width, w->rows, w->features);
  if (status == XR_OK && sets) status = store(w, sets, form->width * form->set_size, w->rows, w->sets);
  if (status != XR_OK) return xr_fail_in(status, "features of %s", item->path);
  XR_TRY(add_path(w, item->path));
  w->ids[w->rows] = item->id;
  w->cameras[w->rows] = item->camera;
  w->modalities[w->rows] = (uint8_t)item->modality;
  w->rows++;
  return flush_when_full(w);
}

xr_status xr_index_skip(xr_index_writer *w) {
  w->skipped++;
  return flush_when_full(w);
}

xr_status xr_index_finish(xr_index_writer *w) {
  const int64_t added = w->entries + w->rows + w->skipped;
  if (w->file.has_list && added != w->file.list.entries)
    return xr_fail(XR_BAD_ARGUMENT, "%s: %" PRId64 " of %" PRId64 " entries were added", w->folder, added, w->file.list.entries);
  return w->rows + w->skipped ? flush(w) : XR_OK;
}
