/* Looks for what makes a data set that can be read doubtful. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/dataset_build.h"
#include "host/data/image.h"
#include "host/data/string_ids.h"
#include "host/data/trials.h"

enum { CERTAIN_WORDS = 75 }; /* more words than this do not fit CLIP's context of 77 tokens: every word has one at least */

static size_t words_of(const char *text) {
  static const char blank[] = " \t\r\n\v\f";
  size_t count = 0;
  for (text += strspn(text, blank); *text; text += strspn(text, blank)) {
    text += strcspn(text, blank);
    count++;
  }
  return count;
}

static void check_lengths(const xr_dataset_builder *builder) {
  size_t many = 0, most = 0;
  const char *where = "";
  for (int s = 0; s < XR_SPLITS; s++) {
    const xr_split *split = &builder->dataset->splits[s];
    for (size_t i = 0; i < split->caption_count; i++) {
      const size_t words = words_of(split->captions[i].text);
      many += words > CERTAIN_WORDS;
      if (words > most) where = split->images[split->captions[i].image].path;
      if (words > most) most = words;
    }
  }
  if (many)
    xr_build_warn(builder, "long-captions", many,
                  "%zu captions have more than %d words and are cut to the context; the longest has %zu: %s", many, CERTAIN_WORDS, most,
                  where);
}

/* Strings that were seen, and the person that each was first seen with. */
typedef struct {
  xr_string_ids ids;
  int32_t *pid;
  size_t room;
} uses;

/* *first: whom the string was seen with before; -1: it is new. */
static xr_status note_use(uses *u, const char *text, int32_t pid, int32_t *first) {
  const size_t before = u->ids.count;
  int32_t id;
  XR_TRY(xr_string_id(&u->ids, text, strlen(text), &id));
  *first = -1;
  if ((size_t)id < before) {
    *first = u->pid[id];
    return XR_OK;
  }
  XR_TRY(xr_grow((void **)&u->pid, &u->room, before, sizeof *u->pid));
  u->pid[id] = pid;
  return XR_OK;
}

static xr_status check_captions_repeat(const xr_dataset_builder *builder, uses *u) {
  size_t shared = 0;
  int32_t first;
  for (int s = 0; s < XR_SPLITS; s++) {
    const xr_split *split = &builder->dataset->splits[s];
    for (size_t i = 0; i < split->caption_count; i++) {
      XR_TRY(note_use(u, split->captions[i].text, split->captions[i].pid, &first));
      shared += first >= 0 && first != split->captions[i].pid;
    }
  }
  if (shared) xr_build_warn(builder, "shared-captions", shared, "%zu captions repeat, to the letter, a caption of another person", shared);
  return XR_OK;
}

static xr_status check_images_repeat(const xr_dataset_builder *builder, uses *u) {
  size_t twice = 0;
  const char *example = "";
  int32_t first;
  for (int s = 0; s < XR_SPLITS; s++) {
    const xr_split *split = &builder->dataset->splits[s];
    for (size_t i = 0; i < split->image_count; i++) {
      XR_TRY(note_use(u, split->images[i].path, split->images[i].pid, &first));
      if (first >= 0 && !twice++) example = split->images[i].path;
    }
  }
  if (twice) xr_build_warn(builder, "repeated-images", twice, "%zu records name an image that an earlier one names: %s", twice, example);
  return XR_OK;
}

static xr_status check_repeats(const xr_dataset_builder *builder, xr_status (*check)(const xr_dataset_builder *builder, uses *u)) {
  uses u = {.ids = {.arena = xr_arena_new()}};
  if (!u.ids.arena) return XR_NO_MEMORY;
  const xr_status status = check(builder, &u);
  xr_arena_free(u.ids.arena);
  xr_string_ids_free(&u.ids);
  free(u.pid);
  return status;
}

/* Persons in two of train, val, test. */
static xr_status check_overlap(const xr_dataset_builder *builder, xr_split_id a, xr_split_id b) {
  const xr_split *first = &builder->dataset->splits[a], *second = &builder->dataset->splits[b];
  int32_t *x = NULL, *y = NULL;
  size_t n = 0, m = 0, common = 0;
  xr_status status = xr_distinct_ids(first->images, first->image_count, &x, &n);
  if (status == XR_OK) status = xr_distinct_ids(second->images, second->image_count, &y, &m);
  for (size_t i = 0, k = 0; status == XR_OK && i < n && k < m;) {
    common += x[i] == y[k];
    const bool next_x = x[i] <= y[k], next_y = y[k] <= x[i];
    i += next_x;
    k += next_y;
  }
  if (common)
    xr_build_warn(builder, "shared-identities", common, "%zu ids are in both %s and %s", common, xr_split_name(a), xr_split_name(b));
  free(x);
  free(y);
  return status;
}

/* Decodes every image; the messages name the files. */
static xr_status check_pictures(const xr_split *split, xr_faults *faults) {
  const size_t count = split->image_count;
  char **said = calloc(count ? count : 1, sizeof *said);
  if (!said) return xr_fail(XR_NO_MEMORY, "out of memory: %zu images", count);
#pragma omp parallel for schedule(dynamic, 64)
  for (size_t i = 0; i < count; i++) {
    xr_image image;
    if (!xr_is_file(split->images[i].path)) continue; /* reported already */
    if (xr_image_load(&image, split->images[i].path, (xr_image_options){0}, NULL) == XR_OK)
      xr_image_free(&image);
    else
      said[i] = strdup(xr_message());
  }
  for (size_t i = 0; i < count; i++) {
    if (said[i]) xr_fault(faults, "%s", said[i]);
    free(said[i]);
  }
  free(said);
  return XR_OK;
}

static xr_status check_all_pictures(const xr_dataset_builder *builder) {
  xr_faults faults = {.builder = builder, .kind = "unreadable-images"};
  for (int s = 0; s < XR_SPLITS; s++) XR_TRY(check_pictures(&builder->dataset->splits[s], &faults));
  return xr_faults_end(&faults, XR_BAD_INPUT, builder->dataset->root, "images cannot be read", "Download them again");
}

/* Galleries that come with the data set must be of its images. */
static xr_status check_drawn_galleries(const xr_dataset_builder *builder) {
  const xr_dataset *d = builder->dataset;
  const xr_split *test = &d->splits[XR_SPLIT_TEST];
  if (!xr_has_official_draw(d) || !test->visible_count || test->visible_count == test->image_count) return XR_OK;
  xr_trials trials;
  const xr_status status = xr_trials_make(&trials, d, XR_SPLIT_TEST, &(xr_trials_options){.draw = XR_DRAW_OFFICIAL});
  if (status == XR_OK) xr_trials_free(&trials);
  if (status == XR_NO_MEMORY || status == XR_OK) return status;
  if (status != XR_NOT_FOUND) return xr_build_problem(builder, status, "official-draw", 1);
  xr_build_warn(builder, "official-draw", 1, "%s", xr_message());
  return XR_OK;
}

static xr_status check_one(xr_dataset **dataset, const char *name, const char *root, const xr_dataset_options *options) {
  xr_status status = xr_dataset_open(dataset, name, root, options);
  xr_dataset_builder builder = {.dataset = *dataset, .options = options};
  if (status != XR_OK) {
    xr_build_problem(&builder, status, "unreadable", 1);
    return status;
  }
  if (options->decode) XR_TRY(check_all_pictures(&builder));
  XR_TRY(check_drawn_galleries(&builder));
  check_lengths(&builder);
  XR_TRY(check_repeats(&builder, check_captions_repeat));
  XR_TRY(check_repeats(&builder, check_images_repeat));
  XR_TRY(check_overlap(&builder, XR_SPLIT_TRAIN, XR_SPLIT_VAL));
  if (xr_dataset_own_numbers(name)) return XR_OK;
  XR_TRY(check_overlap(&builder, XR_SPLIT_TRAIN, XR_SPLIT_TEST));
  return check_overlap(&builder, XR_SPLIT_VAL, XR_SPLIT_TEST);
}

xr_status xr_dataset_check(xr_dataset **dataset, const char *name, const char *root, const xr_dataset_options *options) {
  xr_status status = check_one(dataset, name, root, options);
  xr_dataset_options next = *options;
  next.decode = false; /* the other trials are of the same images */
  for (next.trial = 2; !options->trial && next.trial <= xr_dataset_trials(name); next.trial++) {
    xr_dataset *other;
    const xr_status one = check_one(&other, name, root, &next);
    xr_dataset_free(other);
    if (status == XR_OK) status = one;
  }
  return status;
}
