/* The synthetic set in an official layout, and what ranking by the truth behind it reaches. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/data/bpe_learn.h"
#include "host/data/image_write.h"
#include "host/data/synth.h"
#include "host/data/synth_caption.h"
#include "host/data/synth_scene.h"

enum { SPLITS = 3, MIN_PICTURES = 4, MAX_PICTURES = 6, MERGES = 1200 };
static const char *const split_names[SPLITS] = {"train", "val", "test"};

/* What tells one official layout from another. */
typedef struct {
  const char *name, *records, *path_key;
  const char *folders[XR_SYNTH_CAMERAS + 1]; /* of the pictures, below imgs/; NULL-terminated */
  bool folder_is_camera;                     /* else pictures lie in turn in each folder */
  int number_digits, first_id, captions;
  bool tokens;                     /* with processed_tokens */
  const char *split_names[SPLITS]; /* of train, val and test persons */
} layout;

const char *const xr_synth_layouts[] = {"cuhk-pedes", "icfg-pedes", "rstpreid", NULL};
static const layout layouts[] = {{.name = "cuhk-pedes",
                                  .records = "reid_raw.json",
                                  .path_key = "file_path",
                                  .folders = {"cam_1", "cam_2", "cam_3", "cam_4", "cam_5", "cam_6"},
                                  .folder_is_camera = true,
                                  .number_digits = 2,
                                  .first_id = 1,
                                  .captions = 2,
                                  .tokens = true,
                                  .split_names = {"train", "val", "test"}},
                                 {.name = "icfg-pedes",
                                  .records = "ICFG-PEDES.json",
                                  .path_key = "file_path",
                                  .folders = {"train", "test"},
                                  .number_digits = 2,
                                  .captions = 1,
                                  .tokens = true,
                                  .split_names = {"train", "train", "test"}},
                                 {.name = "rstpreid",
                                  .records = "data_captions.json",
                                  .path_key = "img_path",
                                  .folders = {""},
                                  .number_digits = 4,
                                  .captions = 2,
                                  .split_names = {"train", "val", "test"}}};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

typedef struct {
  int identity, split, camera, number; /* identity counts from 0 */
  char file[64];                       /* below imgs/ */
  xr_view view;
  char caption[XR_SYNTH_CAPTIONS][XR_SYNTH_CAPTION_BYTES];
  json_t *mentions[XR_SYNTH_CAPTIONS];
  xr_status status;
} picture;

typedef struct {
  const xr_synth_options *options;
  const layout *layout;
  xr_person *people;
  picture *pictures;
  int count;
} set;

static int split_of(int identity, int identities) {
  int val = (identities + 10) / 20, test = (identities + 5) / 10, train = identities - val - test;
  return identity < train ? 0 : identity < train + val ? 1 : 2;
}

static xr_random stream(const set *s, const char *purpose, int index) {
  return xr_random_start(xr_random_key(s->options->seed, purpose), (uint64_t)index);
}

static xr_status write_json(const char *folder, const char *name, const json_t *json, size_t flags) {
  char path[XR_PATH_MAX], *text = json ? json_dumps(json, flags) : NULL;
  xr_status status = text ? xr_path_join(path, folder, name) : xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK) status = xr_write_file(path, text, strlen(text));
  free(text);
  return status;
}

/* ---- what is to be drawn */
static void name_picture(const layout *l, picture *p) {
  int folders = 0;
  while (l->folders[folders]) folders++;
  const char *folder = l->folders[(l->folder_is_camera ? p->camera : p->number) % folders];
  snprintf(p->file, sizeof p->file, "%s%s%04d_c%d_%0*d.jpg", folder, *folder ? "/" : "", p->identity + l->first_id, p->camera + 1,
           l->number_digits, p->number);
}

static xr_status invent(set *s) {
  const int identities = s->options->identities;
  xr_random people[SPLITS];
  int first[SPLITS] = {0}, seen = -1;
  s->people = calloc((size_t)identities, sizeof *s->people);
  s->pictures = calloc((size_t)identities * MAX_PICTURES, sizeof *s->pictures);
  if (!s->people || !s->pictures) return xr_fail(XR_NO_MEMORY, "out of memory");
  for (int k = 0; k < SPLITS; k++) people[k] = stream(s, split_names[k], 0);
  for (int i = 0; i < identities; i++) {
    int split = split_of(i, identities);
    if (split != seen) first[split] = i;
    seen = split;
    xr_synth_draw_identity(s->people + first[split], i - first[split], &people[split]);
    xr_random r = stream(s, "pictures", i);
    const int pictures = MIN_PICTURES + (int)xr_random_below(&r, MAX_PICTURES - MIN_PICTURES + 1),
              camera = (int)xr_random_below(&r, XR_SYNTH_CAMERAS);
    for (int k = 0; k < pictures; k++) {
      picture *p = &s->pictures[s->count++];
      *p = (picture){.identity = i, .split = split, .camera = (camera + k * (1 + i % 2)) % XR_SYNTH_CAMERAS, .number = k + 1};
      name_picture(s->layout, p);
    }
  }
  return XR_OK;
}

static xr_status make_picture(const set *s, int index) {
  picture *p = &s->pictures[index];
  char image[XR_PATH_MAX], mask[XR_PATH_MAX], name[96];
  xr_random r = stream(s, "picture", index);
  xr_synth_picture drawn;
  xr_status status = xr_synth_render(&s->people[p->identity], p->camera, &r, &drawn);
  p->view = drawn.view;
  snprintf(name, sizeof name, "imgs/%s", p->file);
  if (status == XR_OK) status = xr_path_join(image, s->options->folder, name);
  snprintf(name, sizeof name, "masks/%.*s.png", (int)strlen(p->file) - 4, p->file);
  if (status == XR_OK) status = xr_path_join(mask, s->options->folder, name);
  if (status == XR_OK) status = xr_image_write_jpeg(image, drawn.width, drawn.height, drawn.rgb, drawn.quality);
  if (status == XR_OK) status = xr_image_write_grey_png(mask, drawn.width, drawn.height, drawn.mask);
  free(drawn.rgb);
  free(drawn.mask);
  for (int k = 0; k < XR_SYNTH_CAPTIONS && status == XR_OK; k++) {
    p->mentions[k] = xr_synth_caption(&s->people[p->identity], p->view, &r, p->caption[k]);
    if (!p->mentions[k]) status = xr_fail(XR_NO_MEMORY, "out of memory");
  }
  return status;
}

/* A failure's message belongs to the thread that met it, so the first picture that failed is tried again in this one. */
static xr_status make_pictures(const set *s) {
#pragma omp parallel for schedule(dynamic, 8)
  for (int i = 0; i < s->count; i++) s->pictures[i].status = make_picture(s, i);
  for (int i = 0; i < s->count; i++)
    if (s->pictures[i].status != XR_OK) return make_picture(s, i);
  return XR_OK;
}

/* ---- the files beside the pictures */
/* Lower case, apostrophes deleted, every other character that is no letter or digit separates. */
static json_t *tokens_of(const char *caption) {
  json_t *list = json_array();
  char word[64];
  size_t used = 0;
  for (const char *c = caption;; c++) {
    const int letter = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ? *c : *c >= 'A' && *c <= 'Z' ? *c + 32 : 0;
    if (letter && used < sizeof word - 1)
      word[used++] = (char)letter;
    else if (*c != '\'' && used) {
      json_array_append_new(list, json_stringn(word, used));
      used = 0;
    }
    if (!*c) return list;
  }
}

static xr_status write_records(const set *s) {
  const layout *l = s->layout;
  json_t *records = json_array();
  for (int i = 0; i < s->count; i++) {
    const picture *p = &s->pictures[i];
    json_t *record = json_pack("{s:s, s:[], s:s}", "split", l->split_names[p->split], "captions", l->path_key, p->file);
    if (l->tokens) json_object_set_new(record, "processed_tokens", json_array());
    for (int k = 0; k < l->captions; k++) {
      json_array_append_new(json_object_get(record, "captions"), json_string(p->caption[k]));
      if (l->tokens) json_array_append_new(json_object_get(record, "processed_tokens"), tokens_of(p->caption[k]));
    }
    json_object_set_new(record, "id", json_integer(p->identity + l->first_id));
    json_array_append_new(records, record);
  }
  xr_status status = write_json(s->options->folder, l->records, records, JSON_COMPACT);
  json_decref(records);
  return status;
}

static json_t *values_of(const xr_person *person) {
  json_t *list = json_array();
  for (int a = 0; a < XR_SYNTH_ATTRIBUTES; a++) json_array_append_new(list, json_integer(person->value[a]));
  return list;
}

static xr_status write_attributes(const set *s) {
  static const char *const views[] = {[XR_VIEW_FRONT] = "front", [XR_VIEW_SIDE] = "side", [XR_VIEW_BACK] = "back"};
  json_t *names = json_array(), *images = json_array();
  for (int a = 0; a < XR_SYNTH_ATTRIBUTES; a++) {
    json_t *values = json_array();
    for (const char *const *v = xr_synth_attribute_text[a].values; *v; v++) json_array_append_new(values, json_string(*v));
    json_array_append_new(names, json_pack("{s:s, s:o}", "name", xr_synth_attribute_text[a].name, "values", values));
  }
  for (int i = 0; i < s->count; i++) {
    const picture *p = &s->pictures[i];
    json_t *mentions = json_array();
    for (int k = 0; k < s->layout->captions; k++) json_array_append(mentions, p->mentions[k]);
    json_array_append_new(images,
                          json_pack("{s:s, s:s, s:i, s:i, s:s, s:o, s:o}", "file_path", p->file, "split", s->layout->split_names[p->split],
                                    "id", p->identity + s->layout->first_id, "camera", p->camera + 1, "view", views[p->view], "values",
                                    values_of(&s->people[p->identity]), "mentions", mentions));
  }
  json_t *all = json_pack("{s:o, s:o}", "attributes", names, "images", images);
  xr_status status = write_json(s->options->folder, "attributes.json", all, JSON_COMPACT);
  json_decref(all);
  return status;
}

static xr_status write_vocabulary(const set *s) {
  const char **texts = calloc((size_t)s->count * XR_SYNTH_CAPTIONS + 1, sizeof *texts);
  char path[XR_PATH_MAX];
  size_t count = 0;
  if (!texts) return xr_fail(XR_NO_MEMORY, "out of memory");
  for (int i = 0; i < s->count; i++) {
    const picture *p = &s->pictures[i];
    const bool train = strcmp(s->layout->split_names[p->split], "train") == 0;
    for (int k = 0; k < s->layout->captions && train; k++) texts[count++] = p->caption[k];
  }
  xr_status status = xr_path_join(path, s->options->folder, "vocab.txt");
  if (status == XR_OK) status = xr_bpe_learn(texts, count, MERGES, path);
  free(texts);
  return status;
}

/* ---- the folder */
static bool is_ours(const char *folder) {
  char path[XR_PATH_MAX];
  return xr_path_join(path, folder, "synth.json") == XR_OK && xr_is_file(path);
}

static xr_status expect_free(const char *folder) {
  DIR *dir = opendir(folder);
  if (!dir) return errno == ENOENT ? XR_OK : xr_fail(XR_IO, "%s: %s", folder, strerror(errno));
  int entries = 0;
  for (struct dirent *e; (e = readdir(dir));) entries += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
  closedir(dir);
  if (!entries || is_ours(folder)) return XR_OK;
  return xr_fail(XR_BAD_INPUT, "%s: is not empty and no synthetic set; choose another folder", folder);
}

/* Removes the files of an earlier set from imgs/, masks/ or a sub-folder of it. */
static xr_status clear_folder(const char *folder) {
  DIR *dir = opendir(folder);
  char path[XR_PATH_MAX];
  if (!dir) return XR_OK;
  xr_status status = XR_OK;
  for (struct dirent *e; status == XR_OK && (e = readdir(dir));) {
    if (e->d_name[0] == '.') continue;
    status = xr_path_join(path, folder, e->d_name);
    if (status == XR_OK && !xr_is_folder(path) && unlink(path) < 0) status = xr_fail(XR_IO, "%s: cannot remove: %s", path, strerror(errno));
  }
  closedir(dir);
  return status;
}

static xr_status folder_of(char *path, const set *s, const char *part, const char *below) {
  char parent[XR_PATH_MAX];
  XR_TRY(xr_path_join(parent, s->options->folder, part));
  return xr_path_join(path, parent, below);
}

static const char *const parts[] = {"imgs", "masks"};

/* Removes what an earlier set, of whatever layout, left. */
static xr_status clear(const set *s) {
  char path[XR_PATH_MAX];
  for (int l = 0; l < LAYOUTS; l++) {
    XR_TRY(xr_path_join(path, s->options->folder, layouts[l].records));
    unlink(path); /* without it the folder is no data set until the new one is complete */
    for (int part = 0; part < 2; part++)
      for (const char *const *folder = layouts[l].folders; *folder; folder++) {
        XR_TRY(folder_of(path, s, parts[part], *folder));
        XR_TRY(clear_folder(path));
        rmdir(path); /* where it is empty */
      }
  }
  return XR_OK;
}

static xr_status prepare_folder(const set *s) {
  char path[XR_PATH_MAX];
  XR_TRY(expect_free(s->options->folder));
  XR_TRY(clear(s));
  for (int part = 0; part < 2; part++)
    for (const char *const *folder = s->layout->folders; *folder; folder++) {
      XR_TRY(folder_of(path, s, parts[part], *folder));
      XR_TRY(xr_make_folders(path));
    }
  json_t *mark = json_pack("{s:s, s:I, s:i}", "layout", s->layout->name, "seed", (json_int_t)s->options->seed, "identities",
                           s->options->identities);
  xr_status status = write_json(s->options->folder, "synth.json", mark, JSON_INDENT(1));
  json_decref(mark);
  return status;
}

static void summarise(const set *s, xr_synth_summary *summary) {
  int last = -1;
  *summary = (xr_synth_summary){.captions = s->count * s->layout->captions};
  for (int i = 0; i < s->count; i++) {
    const picture *p = &s->pictures[i];
    int split = 0; /* as the layout calls it */
    while (strcmp(s->layout->split_names[p->split], split_names[split]) != 0) split++;
    summary->images[split]++;
    summary->identities[split] += p->identity != last;
    last = p->identity;
  }
}

static xr_status write_set(set *s) {
  XR_TRY(invent(s));
  XR_TRY(prepare_folder(s));
  XR_TRY(make_pictures(s));
  XR_TRY(write_attributes(s));
  XR_TRY(write_vocabulary(s));
  return write_records(s);
}

static const layout *find_layout(const char *name) {
  for (int i = 0; i < LAYOUTS; i++)
    if (!name || strcmp(layouts[i].name, name) == 0) return &layouts[i];
  return NULL;
}

xr_status xr_synth_write(const xr_synth_options *options, xr_synth_summary *summary) {
  set s = {.options = options, .layout = find_layout(options->layout)};
  if (!s.layout) return xr_fail(XR_BAD_INPUT, "there is no layout '%s'", options->layout);
  if (options->identities < XR_SYNTH_MIN_IDENTITIES || options->identities > XR_SYNTH_MAX_IDENTITIES)
    return xr_fail(XR_BAD_INPUT, "%d identities; %d to %d are possible", options->identities, XR_SYNTH_MIN_IDENTITIES,
                   XR_SYNTH_MAX_IDENTITIES);
  xr_status status = write_set(&s);
  if (status == XR_OK) summarise(&s, summary);
  for (int i = 0; i < s.count; i++)
    for (int k = 0; k < XR_SYNTH_CAPTIONS; k++) json_decref(s.pictures[i].mentions[k]);
  free(s.people);
  free(s.pictures);
  return status == XR_OK ? xr_synth_attribute_rank1(options->folder, "test", &summary->attribute_rank1) : status;
}

/* ---- ranking by the truth */
static bool in_split(const json_t *image, const char *split) {
  const char *name = json_string_value(json_object_get(image, "split"));
  return name && strcmp(name, split) == 0;
}

static int agreement(const json_t *mentions, const json_t *image) {
  const json_t *values = json_object_get(image, "values");
  size_t i;
  json_t *pair;
  int agree = 0;
  json_array_foreach(mentions, i, pair) {
    json_int_t attribute = json_integer_value(json_array_get(pair, 0)), v = json_integer_value(json_array_get(pair, 1));
    agree += json_integer_value(json_array_get(values, (size_t)attribute)) == v;
  }
  return agree;
}

/* The chance that the first of the best-scored images, in random order, is a right one. */
static double first_is_right(const json_t *images, const char *split, const json_t *mentions, json_int_t id) {
  int best = -1, right = 0, all = 0;
  size_t i;
  json_t *image;
  json_array_foreach(images, i, image) {
    if (!in_split(image, split)) continue;
    int score = agreement(mentions, image);
    if (score > best) {
      best = score;
      right = all = 0;
    }
    if (score < best) continue;
    all++;
    right += json_integer_value(json_object_get(image, "id")) == id;
  }
  return all ? (double)right / all : 0;
}

xr_status xr_synth_attribute_rank1(const char *folder, const char *split, double *rank1) {
  char path[XR_PATH_MAX];
  json_error_t error;
  XR_TRY(xr_path_join(path, folder, "attributes.json"));
  if (!xr_is_file(path)) return xr_fail(XR_NOT_FOUND, "%s: there is no such file", path);
  json_t *all = json_load_file(path, 0, &error), *images = json_object_get(all, "images"), *image, *mentions;
  double sum = 0;
  size_t i, k, captions = 0;
  if (!json_is_array(images)) {
    json_decref(all);
    return xr_fail(XR_BAD_INPUT, "%s:%d: holds no attributes of synthetic pictures", path, all ? 1 : error.line);
  }
  json_array_foreach(images, i, image) {
    if (!in_split(image, split)) continue;
    json_array_foreach(json_object_get(image, "mentions"), k, mentions) {
      sum += first_is_right(images, split, mentions, json_integer_value(json_object_get(image, "id")));
      captions++;
    }
  }
  json_decref(all);
  *rank1 = captions ? sum / (double)captions : 0;
  return captions ? XR_OK : xr_fail(XR_NOT_FOUND, "%s: no captions in the split %s", path, split);
}
