#include "host/data/dataset_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"

enum { NAMED_FILES = 3, NAMED_FOLDERS = 8 };
static const char missing_kind[] = "missing-images";

bool xr_build_wants(const xr_dataset_builder *builder, xr_split_id split) {
  return !builder->options->splits || (builder->options->splits >> split & 1u);
}

xr_status xr_build_image(xr_dataset_builder *builder, xr_split_id split, const char *folder, const char *file, xr_image_record image) {
  xr_split_builder *s = &builder->splits[split];
  char path[XR_PATH_MAX];
  XR_TRY(xr_path_join(path, folder, file));
  XR_TRY(xr_grow((void **)&s->images, &s->image_capacity, s->image_count, sizeof *s->images));
  image.path = xr_arena_copy(builder->dataset->arena, path);
  image.image_id = (int32_t)s->image_count;
  if (!image.path) return XR_NO_MEMORY;
  s->images[s->image_count++] = image;
  return XR_OK;
}

xr_status xr_build_caption(xr_dataset_builder *builder, xr_split_id split, size_t image, int32_t number, const char *text) {
  xr_split_builder *s = &builder->splits[split];
  XR_TRY(xr_grow((void **)&s->captions, &s->caption_capacity, s->caption_count, sizeof *s->captions));
  xr_caption_record caption = {.text = xr_arena_copy(builder->dataset->arena, text),
                               .image = (int32_t)image,
                               .pid = s->images[image].pid,
                               .image_id = s->images[image].image_id,
                               .number = number};
  if (!caption.text) return XR_NO_MEMORY;
  s->captions[s->caption_count++] = caption;
  return XR_OK;
}

static int compare_ids(const void *a, const void *b) {
  int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

xr_status xr_distinct_ids(const xr_image_record *images, size_t image_count, int32_t **ids, size_t *count) {
  *ids = malloc((image_count ? image_count : 1) * sizeof **ids);
  *count = 0;
  if (!*ids) return xr_fail(XR_NO_MEMORY, "out of memory: %zu identities", image_count);
  for (size_t i = 0; i < image_count; i++) (*ids)[i] = images[i].pid;
  qsort(*ids, image_count, sizeof **ids, compare_ids);
  for (size_t i = 0; i < image_count; i++)
    if (!i || (*ids)[i] != (*ids)[*count - 1]) (*ids)[(*count)++] = (*ids)[i];
  return XR_OK;
}

xr_split_counts xr_count_split(const xr_split *split) {
  xr_split_counts counts = {xr_split_identities(split), split->image_count, split->caption_count, 0};
  for (size_t i = 0; i < split->image_count; i++) counts.infrared += split->images[i].modality == XR_MODALITY_INFRARED;
  return counts;
}

size_t xr_split_identities(const xr_split *split) {
  int32_t *ids;
  size_t count;
  if (xr_distinct_ids(split->images, split->image_count, &ids, &count) != XR_OK) return 0;
  free(ids);
  return count;
}

/* Official training ids run without gaps: a gap means that records are missing, and every published code stops there too. */
static xr_status find_gap(const xr_dataset_builder *builder, const int32_t *ids, size_t count) {
  int32_t next = ids[0] < builder->adapter->first_id ? ids[0] : builder->adapter->first_id;
  for (size_t i = 0; i < count; i++, next++)
    if (ids[i] != next)
      return xr_build_problem(builder,
                              xr_fail(XR_BAD_INPUT,
                                      "%s: the training ids have a gap: id %d is missing (%zu ids, %d to %d). Records were lost: use the "
                                      "official file, or set data.allow_gaps=true to number the identities that are there",
                                      builder->source, (int)next, count, (int)ids[0], (int)ids[count - 1]),
                              "gap", 1);
  return XR_OK;
}

static xr_status check_gaps(const xr_dataset_builder *builder) {
  const xr_split_builder *train = &builder->splits[XR_SPLIT_TRAIN];
  if (builder->adapter->sparse_ids || builder->options->allow_gaps || !xr_build_wants(builder, XR_SPLIT_TRAIN) || !train->image_count)
    return XR_OK;
  int32_t *ids;
  size_t count;
  XR_TRY(xr_distinct_ids(train->images, train->image_count, &ids, &count));
  xr_status status = find_gap(builder, ids, count);
  free(ids);
  return status;
}

static xr_status number_identities(xr_dataset_builder *builder) {
  const xr_split_builder *train = &builder->splits[XR_SPLIT_TRAIN];
  xr_dataset *d = builder->dataset;
  if (!train->image_count) return XR_OK;
  int32_t *ids;
  size_t count;
  XR_TRY(xr_distinct_ids(train->images, train->image_count, &ids, &count));
  int32_t *label_pid = XR_NEW_ARRAY(d->arena, int32_t, count);
  if (label_pid) memcpy(label_pid, ids, count * sizeof *ids);
  free(ids);
  d->label_pid = label_pid;
  d->identities = (int32_t)count;
  return label_pid ? XR_OK : XR_NO_MEMORY;
}

/* A training identity that one modality lacks cannot be in a batch of both. */
static xr_status check_pairs(const xr_dataset_builder *builder) {
  const xr_split_builder *train = &builder->splits[XR_SPLIT_TRAIN];
  const xr_dataset *d = builder->dataset;
  if (!d->infrared || !xr_build_wants(builder, XR_SPLIT_TRAIN) || !train->image_count) return XR_OK;
  bool *seen = calloc((size_t)d->identities, 2 * sizeof *seen);
  if (!seen) return xr_fail(XR_NO_MEMORY, "out of memory: %d identities", (int)d->identities);
  for (size_t i = 0; i < train->image_count; i++)
    seen[2 * xr_dataset_label(d, train->images[i].pid) + (train->images[i].modality == XR_MODALITY_INFRARED)] = true;
  xr_faults faults = {.builder = builder, .kind = "unpaired-identities"};
  for (int32_t i = 0; i < d->identities; i++)
    if (!seen[2 * i] || !seen[2 * i + 1])
      xr_fault(&faults, "id %d has no %s image", (int)d->label_pid[i], seen[2 * i] ? "infrared" : "visible");
  free(seen);
  return xr_faults_end(&faults, XR_BAD_INPUT, builder->source, "training identities are in one modality alone",
                       "Unpack the complete archive, or take them out of the lists");
}

typedef struct {
  size_t count;
  char files[NAMED_FILES * 200];
  char folders[NAMED_FOLDERS * 80]; /* those that are missing altogether: an archive that was not unpacked */
  size_t folder_count;
  char last_folder[XR_PATH_MAX];
} missing_files;

static void append(char *list, size_t size, const char *text) {
  size_t used = strlen(list);
  snprintf(list + used, size - used, "%s%s", used ? ", " : "", text);
}

const char *xr_below_root(const xr_dataset *d, const char *path) {
  const size_t length = strlen(d->root);
  if (strncmp(path, d->root, length) != 0) return path;
  return path + length + strspn(path + length, "/");
}

static void note_missing(missing_files *missing, const xr_dataset_builder *builder, const char *path) {
  const xr_dataset *d = builder->dataset;
  const xr_dataset_problems *problems = builder->options->problems;
  if (problems && problems->each_file) problems->each_file(problems->context, missing_kind, path);
  if (missing->count++ < NAMED_FILES) append(missing->files, sizeof missing->files, xr_below_root(d, path));
  char folder[XR_PATH_MAX];
  snprintf(folder, sizeof folder, "%.*s", (int)(xr_path_name(path) - path), path);
  if (!strcmp(folder, missing->last_folder)) return; /* records of one folder mostly follow one another */
  memcpy(missing->last_folder, folder, sizeof folder);
  if (xr_is_folder(folder) || strstr(missing->folders, xr_below_root(d, folder))) return;
  if (missing->folder_count++ < NAMED_FOLDERS) append(missing->folders, sizeof missing->folders, xr_below_root(d, folder));
}

/* Looks at every file before the first epoch rather than failing in the middle of the third. */
static xr_status check_files(const xr_dataset_builder *builder) {
  missing_files missing = {0};
  size_t total = 0;
  for (xr_split_id split = 0; split < XR_SPLITS; split++) {
    const xr_split_builder *s = &builder->splits[split];
    if (!xr_build_wants(builder, split)) continue;
    if (!s->image_count && builder->options->splits)
      return xr_fail(
          XR_BAD_INPUT, "%s: it holds no record of the %s split%s", builder->source, xr_split_name(split),
          builder->no_val && split == XR_SPLIT_VAL
              ? ": the data set has none. data.val_holdout takes one from the training identities, eval.split=test selects on test"
              : "");
    total += s->image_count;
    for (size_t i = 0; i < s->image_count; i++)
      if (!xr_is_file(s->images[i].path)) note_missing(&missing, builder, s->images[i].path);
  }
  if (!total) return xr_fail(XR_BAD_INPUT, "%s: it holds no records", builder->source);
  if (!missing.count) return XR_OK;
  xr_fail(XR_NOT_FOUND, "%s names %zu images of which %zu are missing: %s%s%s%s%s. Unpack the complete archive under %s", builder->source,
          total, missing.count, missing.files, missing.count > NAMED_FILES ? ", .." : "",
          missing.folder_count ? "; whole folders are missing: " : "", missing.folders, missing.folder_count > NAMED_FOLDERS ? ", .." : "",
          builder->dataset->root);
  return xr_build_problem(builder, XR_NOT_FOUND, missing_kind, missing.count);
}

static xr_status move_list(xr_arena *arena, void **list, size_t count, size_t bytes, const void **out) {
  void *copy = xr_arena_alloc(arena, count * bytes);
  if (!copy) return XR_NO_MEMORY;
  if (count) memcpy(copy, *list, count * bytes);
  free(*list);
  *list = NULL;
  *out = copy;
  return XR_OK;
}

xr_status xr_build_finish(xr_dataset_builder *builder) {
  xr_dataset *d = builder->dataset;
  d->source = builder->source;
  XR_TRY(xr_build_compare_counts(builder));
  XR_TRY(check_gaps(builder));
  XR_TRY(xr_build_hold_out(builder));
  XR_TRY(number_identities(builder));
  XR_TRY(check_pairs(builder));
  XR_TRY(check_files(builder));
  for (xr_split_id split = 0; split < XR_SPLITS; split++) {
    xr_split_builder *s = &builder->splits[split];
    xr_split *out = &d->splits[split];
    XR_TRY(move_list(d->arena, (void **)&s->images, s->image_count, sizeof *s->images, (const void **)&out->images));
    XR_TRY(move_list(d->arena, (void **)&s->captions, s->caption_count, sizeof *s->captions, (const void **)&out->captions));
    out->image_count = s->image_count;
    while (out->visible_count < out->image_count && out->images[out->visible_count].modality == XR_MODALITY_VISIBLE) out->visible_count++;
    out->caption_count = s->caption_count;
  }
  return XR_OK;
}

void xr_build_free(xr_dataset_builder *builder) {
  for (int split = 0; split < XR_SPLITS; split++) {
    free(builder->splits[split].images);
    free(builder->splits[split].captions);
    builder->splits[split] = (xr_split_builder){0};
  }
}
