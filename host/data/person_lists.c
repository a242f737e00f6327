#include "host/data/person_lists.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/io/mat.h"

enum { MAX_PERSON = 9999, MAX_LABEL = 1 << 24 };

/* ---- lists of ids */
static int compare_ids(const void *a, const void *b) {
  const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
  return (x > y) - (x < y);
}

static xr_status finish_ids(xr_id_list *ids) {
  if (!ids->count) return xr_fail(XR_BAD_INPUT, "%s: holds no ids", ids->file);
  qsort(ids->id, ids->count, sizeof *ids->id, compare_ids);
  for (size_t i = 0; i < ids->count; i++) {
    if (ids->id[i] < 1 || ids->id[i] > MAX_PERSON)
      return xr_fail(XR_BAD_INPUT, "%s: id %d is not in 1 .. %d", ids->file, (int)ids->id[i], MAX_PERSON);
    if (i && ids->id[i] == ids->id[i - 1]) return xr_fail(XR_BAD_INPUT, "%s: id %d stands there twice", ids->file, (int)ids->id[i]);
  }
  return XR_OK;
}

/* [size] ids at most: a number and a separator take two characters. */
static xr_status parse_ids(char *text, xr_id_list *ids) {
  static const char between[] = ", \t\r\n";
  int line = 1;
  for (char *at = text; *at;) {
    if (strchr(between, *at)) {
      line += *at++ == '\n';
      continue;
    }
    const size_t length = strcspn(at, between), digits = strspn(at, "0123456789");
    if (digits != length || length > 9)
      return xr_fail(XR_BAD_INPUT, "%s: line %d: '%.*s' is no id; the file holds whole numbers between commas", ids->file, line,
                     (int)(length > 40 ? 40 : length), at);
    ids->id[ids->count++] = (int32_t)strtol(at, NULL, 10);
    at += length;
  }
  return XR_OK;
}

static xr_status read_id_text(xr_arena *arena, xr_id_list *ids) {
  char *text;
  size_t size;
  XR_TRY(xr_read_file(ids->file, &text, &size));
  ids->id = XR_NEW_ARRAY(arena, int32_t, size / 2 + 1);
  xr_status status = !ids->id              ? XR_NO_MEMORY
                     : strlen(text) < size ? xr_fail(XR_BAD_INPUT, "%s: this is no text file", ids->file)
                                           : parse_ids(text, ids);
  free(text);
  return status;
}

static xr_status read_id_mat(xr_arena *arena, xr_id_list *ids) {
  xr_mat_value value;
  XR_TRY(xr_mat_read(arena, ids->file, "id", &value));
  if (!value.number) return xr_fail(XR_BAD_INPUT, "%s: id must be a row of numbers, not of cells", ids->file);
  ids->count = value.rows * value.columns;
  ids->id = XR_NEW_ARRAY(arena, int32_t, ids->count);
  if (!ids->id) return XR_NO_MEMORY;
  if (ids->count) memcpy(ids->id, value.number, ids->count * sizeof *ids->id);
  return XR_OK;
}

xr_status xr_read_ids(xr_arena *arena, const char *folder, const char *stem, xr_id_list *ids) {
  static const struct {
    const char *ending;
    xr_status (*read)(xr_arena *arena, xr_id_list *ids);
  } forms[] = {{"txt", read_id_text}, {"mat", read_id_mat}};
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    const char *file = xr_arena_format(arena, "%s/%s.%s", folder, stem, forms[i].ending);
    if (!file) return XR_NO_MEMORY;
    if (!xr_is_file(file)) continue;
    *ids = (xr_id_list){.file = file};
    XR_TRY(forms[i].read(arena, ids));
    return finish_ids(ids);
  }
  return xr_fail(XR_NOT_FOUND, "%s: there is neither %s.txt nor %s.mat; unpack the complete archive", folder, stem, stem);
}

/* ---- lists of labelled images */
typedef struct {
  xr_dataset_builder *builder;
  xr_split_id split;
  xr_faults missing, odd, mislabelled;
  struct {
    int32_t label, person;
  } * pairs; /* of labels and persons that belong together */
  size_t pair_count, pair_room, last;
} labelled;

/* False: the label belongs to somebody else, or the person has another label. */
static xr_status note_pair(labelled *l, int32_t label, int32_t person, bool *fits) {
  *fits = true;
  if (l->pair_count && l->pairs[l->last].label == label && l->pairs[l->last].person == person) return XR_OK; /* as mostly */
  for (l->last = 0; l->last < l->pair_count; l->last++) {
    const bool same_label = l->pairs[l->last].label == label, same_person = l->pairs[l->last].person == person;
    *fits = same_label == same_person;
    if (same_label || same_person) return XR_OK;
  }
  XR_TRY(xr_grow((void **)&l->pairs, &l->pair_room, l->pair_count, sizeof *l->pairs));
  l->pairs[l->pair_count].label = label;
  l->pairs[l->pair_count++].person = person;
  return XR_OK;
}

/* One line without its end; `line` counts from 1. */
static xr_status add_line(labelled *l, const xr_label_list *list, char *text, int line) {
  char *blank = strrchr(text, ' '), *end = NULL;
  if (!blank) blank = strrchr(text, '\t');
  const long label = blank && isdigit((unsigned char)blank[1]) ? strtol(blank + 1, &end, 10) : -1;
  if (!end || *end || label < 0 || label > MAX_LABEL || blank == text)
    return xr_fail(XR_BAD_INPUT, "%s: line %d: '%.80s' is not a path, one blank and a label", list->file, line, text);
  *blank = '\0';
  const char *name = xr_path_name(list->file);
  const xr_path_facts facts = list->read(text, list->modality);
  if (facts.person < 0) {
    xr_fault(&l->odd, "%s (%s, line %d)", text, name, line);
    return XR_OK;
  }
  char path[XR_PATH_MAX];
  XR_TRY(xr_path_join(path, l->builder->dataset->root, text));
  if (!xr_is_file(path)) {
    xr_fault(&l->missing, "%s (%s, line %d)", text, name, line);
    return XR_OK;
  }
  bool fits;
  XR_TRY(note_pair(l, (int32_t)label, facts.person, &fits));
  if (!fits)
    xr_fault(&l->mislabelled, "%s as %ld (%s, line %d), but %d is the label of person %d", text, label, name, line,
             (int)l->pairs[l->last].label, (int)l->pairs[l->last].person);
  const xr_image_record image = {.pid = (int32_t)label, .camera = facts.camera, .modality = list->modality};
  return xr_build_image(l->builder, l->split, l->builder->dataset->root, text, image);
}

/* Calls `use` with every line that is not empty, without blanks at its end. */
static xr_status each_line(const char *file, xr_status (*use)(void *context, char *line, int number), void *context) {
  char *text;
  size_t size;
  XR_TRY(xr_read_file(file, &text, &size));
  xr_status status = strlen(text) < size ? xr_fail(XR_BAD_INPUT, "%s: this is no text file", file) : XR_OK;
  int line = 1;
  for (char *at = text, *next; status == XR_OK && *at; at = next, line++) {
    next = at + strcspn(at, "\n");
    if (*next) *next++ = '\0';
    size_t length = strlen(at);
    while (length && strchr("\r \t", at[length - 1])) at[--length] = '\0';
    if (length) status = use(context, at, line);
  }
  free(text);
  return status;
}

typedef struct {
  labelled *all;
  const xr_label_list *list;
} one_list;

static xr_status add_line_of(void *context, char *text, int line) {
  const one_list *one = context;
  return add_line(one->all, one->list, text, line);
}

static xr_status add_list(labelled *l, const xr_label_list *list) {
  if (!xr_is_file(list->file))
    return xr_fail(XR_NOT_FOUND, "%s: there is no such file; the lists belong to the data set, unpack the complete archive", list->file);
  return each_line(list->file, add_line_of, &(one_list){l, list});
}

xr_status xr_build_labelled(xr_dataset_builder *builder, xr_split_id split, const xr_label_list *visible, const xr_label_list *infrared) {
  labelled l = {.builder = builder,
                .split = split,
                .missing = {.builder = builder, .kind = "missing-images"},
                .odd = {.builder = builder, .kind = "odd-names"},
                .mislabelled = {.builder = builder, .kind = "mislabelled"}};
  char forms[300];
  snprintf(forms, sizeof forms, "paths are not of the form %s or %s", visible->form, infrared->form);
  xr_status status = add_list(&l, visible);
  if (status == XR_OK) status = add_list(&l, infrared);
  const char *source = builder->source;
  if (status == XR_OK)
    status = xr_faults_end(&l.missing, XR_NOT_FOUND, source, "images are missing", "Unpack the complete archive beside the lists");
  if (status == XR_OK) status = xr_faults_end(&l.odd, XR_BAD_INPUT, source, forms, "Use the lists and the names of the archive");
  if (status == XR_OK)
    status = xr_faults_end(&l.mislabelled, XR_BAD_INPUT, source, "labels contradict others", "Use the lists of the archive");
  free(l.pairs);
  return status;
}

typedef struct {
  const xr_dataset_builder *builder;
  const char *name;
  xr_faults *missing;
  size_t lines, absent;
} listed_images;

/* Missing images are reported in a second walk (`missing` is there), when it is known that the list is of this form. */
static xr_status look_for(void *context, char *text, int line) {
  listed_images *l = context;
  char path[XR_PATH_MAX];
  char *blank = strrchr(text, ' ');
  if (blank) *blank = '\0';
  XR_TRY(xr_path_join(path, l->builder->dataset->root, text));
  l->lines++;
  if (xr_is_file(path)) return XR_OK;
  l->absent++;
  if (l->missing) xr_fault(l->missing, "%s (%s, line %d)", text, l->name, line);
  return XR_OK;
}

xr_status xr_check_listed(const xr_dataset_builder *builder, const char *file) {
  if (!xr_is_file(file)) return XR_OK;
  xr_faults missing = {.builder = builder, .kind = "missing-images"};
  listed_images l = {.builder = builder, .name = xr_path_name(file)};
  XR_TRY(each_line(file, look_for, &l));
  if (l.lines && l.absent == l.lines) {
    xr_build_warn(builder, "odd-list", l.lines, "%s: none of the %zu images that it names is below %s: the list is left aside", file,
                  l.lines, builder->dataset->root);
    return XR_OK;
  }
  l.missing = &missing;
  XR_TRY(each_line(file, look_for, &l));
  return xr_faults_end(&missing, XR_NOT_FOUND, builder->source, "images are missing", "Unpack the complete archive beside the lists");
}

/* The persons that the paths of a split name, ascending, without repeats. */
static xr_status persons_of(const xr_dataset_builder *builder, xr_split_id split,
                            xr_path_facts (*read)(const char *path, xr_modality modality), int32_t **persons, size_t *count) {
  const xr_split_builder *s = &builder->splits[split];
  xr_image_record *copy = malloc((s->image_count ? s->image_count : 1) * sizeof *copy);
  if (!copy) return xr_fail(XR_NO_MEMORY, "out of memory: %zu images", s->image_count);
  for (size_t i = 0; i < s->image_count; i++)
    copy[i] = (xr_image_record){.pid = read(xr_below_root(builder->dataset, s->images[i].path), s->images[i].modality).person};
  const xr_status status = xr_distinct_ids(copy, s->image_count, persons, count);
  free(copy);
  return status;
}

xr_status xr_check_persons_apart(const xr_dataset_builder *builder, xr_split_id a, xr_split_id b,
                                 xr_path_facts (*read)(const char *path, xr_modality modality)) {
  int32_t *first = NULL, *second = NULL;
  size_t n = 0, m = 0;
  xr_faults shared = {.builder = builder, .kind = "shared-identities"};
  xr_status status = persons_of(builder, a, read, &first, &n);
  if (status == XR_OK) status = persons_of(builder, b, read, &second, &m);
  for (size_t i = 0; status == XR_OK && i < n; i++)
    if (bsearch(&first[i], second, m, sizeof *second, compare_ids)) xr_fault(&shared, "person %d", (int)first[i]);
  free(first);
  free(second);
  XR_TRY(status);
  return xr_faults_end(&shared, XR_BAD_INPUT, builder->source, "persons are in train and in test", "Use the lists of the archive");
}
