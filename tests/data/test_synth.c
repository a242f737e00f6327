#include <criterion/criterion.h>
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/data/dataset.h"
#include "host/data/image.h"
#include "host/data/synth.h"
#include "host/data/tokenizer.h"
#include "kernels/common/threads.h"
#include "tests/data/scratch.h"

static scratch files;

static void begin(void) { files = scratch_new(); }
static void end(void) { scratch_remove(&files); }
TestSuite(synth, .init = begin, .fini = end, .timeout = 200);

static void scratch_path(char *path, const char *name) { cr_assert_eq(xr_path_join(path, files.root, name), XR_OK); }

static void write_set(const char *folder, int identities, uint64_t seed, xr_synth_summary *summary) {
  xr_synth_options options = {.folder = folder, .identities = identities, .seed = seed};
  cr_assert(xr_synth_write(&options, summary) == XR_OK, "%s", xr_message());
}

static json_t *load(const char *folder, const char *name) {
  char path[XR_PATH_MAX];
  cr_assert(xr_path_join(path, folder, name) == XR_OK);
  json_t *json = json_load_file(path, 0, NULL);
  cr_assert(json, "%s", path);
  return json;
}

/* The bytes of all files that a set's records name, and of its own files, as one FNV-1a number. */
static uint64_t hash_of(const char *folder) {
  static const char *const own[] = {"reid_raw.json", "attributes.json", "vocab.txt", "synth.json"};
  uint64_t hash = 0xcbf29ce484222325u;
  json_t *records = load(folder, "reid_raw.json"), *record;
  char path[XR_PATH_MAX], name[200], *bytes;
  size_t size, i, count = json_array_size(records);
  for (i = 0; i < 2 * count + 4; i++) {
    record = json_array_get(records, i / 2);
    const char *file = record ? json_string_value(json_object_get(record, "file_path")) : "";
    if (i >= 2 * count)
      snprintf(name, sizeof name, "%s", own[i - 2 * count]);
    else
      snprintf(name, sizeof name, i % 2 ? "masks/%.*s.png" : "imgs/%.*s.jpg", (int)strlen(file) - 4, file);
    cr_assert(xr_path_join(path, folder, name) == XR_OK && xr_read_file(path, &bytes, &size) == XR_OK, "%s", xr_message());
    for (size_t k = 0; k < size; k++) hash = (hash ^ (unsigned char)bytes[k]) * 0x100000001b3u;
    free(bytes);
  }
  json_decref(records);
  return hash;
}

Test(synth, the_seed_decides_every_byte_and_threads_none) {
  char a[XR_PATH_MAX], b[XR_PATH_MAX], c[XR_PATH_MAX];
  xr_synth_summary summary;
  scratch_path(a, "a");
  scratch_path(b, "b");
  scratch_path(c, "c");
  xr_threads_set(1);
  write_set(a, 12, 5, &summary);
  xr_threads_set(3);
  write_set(b, 12, 5, &summary);
  write_set(c, 12, 6, &summary);
  cr_assert_eq(hash_of(a), hash_of(b));
  cr_assert_neq(hash_of(a), hash_of(c));
  write_set(c, 12, 5, &summary); /* over an older set */
  cr_assert_eq(hash_of(a), hash_of(c));
}

Test(synth, opens_as_cuhk_pedes_with_masks_beside_the_pictures) {
  char folder[XR_PATH_MAX], vocabulary[XR_PATH_MAX], mask_path[XR_PATH_MAX];
  xr_synth_summary summary;
  xr_dataset *d;
  xr_tokenizer *t;
  scratch_path(folder, "set");
  write_set(folder, 30, 1, &summary);
  cr_assert(xr_dataset_open(&d, "cuhk-pedes", folder, NULL) == XR_OK, "%s", xr_message());
  cr_assert_eq(d->identities, 25);
  cr_assert_eq(summary.identities[0], 25);
  cr_assert_eq(summary.identities[1], 2);
  cr_assert_eq(summary.identities[2], 3);
  int images = 0, captions = 0, parts_seen = 0;
  for (int s = XR_SPLIT_TRAIN; s <= XR_SPLIT_TEST; s++) {
    const xr_split *split = &d->splits[s];
    images += (int)split->image_count;
    captions += (int)split->caption_count;
    cr_assert_eq(split->image_count, (size_t)summary.images[s]);
    for (size_t i = 0; i < split->image_count; i++) {
      xr_image picture, mask;
      cr_assert(xr_image_load(&picture, split->images[i].path, (xr_image_options){0}, NULL) == XR_OK, "%s", xr_message());
      const char *imgs = strstr(split->images[i].path, "/imgs/");
      snprintf(mask_path, sizeof mask_path, "%.*s/masks/%.*s.png", (int)(imgs - split->images[i].path), split->images[i].path,
               (int)strlen(imgs + 6) - 4, imgs + 6);
      cr_assert(xr_image_load(&mask, mask_path, (xr_image_options){0}, NULL) == XR_OK, "%s", xr_message());
      cr_assert(mask.width == picture.width && mask.height == picture.height);
      for (int k = 0; k < mask.width * mask.height; k++) {
        cr_assert_lt(mask.pixels[3 * k], XR_PARTS);
        parts_seen |= 1 << mask.pixels[3 * k];
      }
      xr_image_free(&picture);
      xr_image_free(&mask);
    }
  }
  cr_assert_eq(captions, 2 * images);
  cr_assert_eq(captions, summary.captions);
  cr_assert_eq(parts_seen, (1 << XR_PARTS) - 1, "parts in the masks: %x", (unsigned)parts_seen);
  cr_assert(xr_path_join(vocabulary, folder, "vocab.txt") == XR_OK);
  cr_assert(xr_tokenizer_load(&t, vocabulary, XR_TOKENIZER_CLIP) == XR_OK, "%s", xr_message());
  cr_assert_gt(xr_tokenizer_size(t), 600);
  xr_tokenizer_free(t);
  xr_dataset_free(d);
}

/* The same drawn persons in every layout: who stands where, and under which captions, is the same but for what the layouts differ in. */
Test(synth, the_same_persons_in_every_layout) {
  static const struct {
    const char *name, *records, *path_key, *first;
    int32_t first_id;
    size_t captions;
    bool val, camera, tokens;
  } cases[] = {{"cuhk-pedes", "reid_raw.json", "file_path", "cam_", 1, 2, true, false, true},
               {"icfg-pedes", "ICFG-PEDES.json", "file_path", "t", 0, 1, false, false, true},
               {"rstpreid", "data_captions.json", "img_path", "0000_c", 0, 2, true, true, false}};
  char folder[XR_PATH_MAX], pixels[XR_PATH_MAX], *first_bytes = NULL;
  size_t first_size = 0;
  scratch_path(folder, "layouts"); /* one after another in one folder: nothing of the earlier may be left */
  for (size_t i = 0; i < 3; i++) {
    xr_synth_summary summary;
    xr_synth_options options = {.folder = folder, .layout = cases[i].name, .identities = 20, .seed = 9};
    cr_assert(xr_synth_write(&options, &summary) == XR_OK, "%s", xr_message());
    cr_assert_eq(summary.identities[0] + summary.identities[1] + summary.identities[2], 20);
    cr_assert_eq(summary.captions, (int)cases[i].captions * (summary.images[0] + summary.images[1] + summary.images[2]));
    for (size_t k = 0; k < 3; k++) {
      cr_assert_eq(xr_path_join(pixels, folder, cases[k].records), XR_OK);
      cr_assert_eq(xr_is_file(pixels), k == i, "%s after %s", cases[k].records, cases[i].name);
    }
    xr_dataset *d;
    cr_assert(xr_dataset_open(&d, cases[i].name, folder, NULL) == XR_OK, "%s", xr_message());
    const xr_split *train = &d->splits[XR_SPLIT_TRAIN];
    cr_assert_eq(train->images[0].pid, cases[i].first_id);
    cr_assert_eq(train->caption_count, train->image_count * cases[i].captions);
    cr_assert_eq(d->splits[XR_SPLIT_VAL].image_count > 0, cases[i].val);
    cr_assert_eq(train->images[0].camera > 0, cases[i].camera);
    cr_assert_eq((int)train->image_count, summary.images[0]);
    json_t *records = load(folder, cases[i].records), *record = json_array_get(records, 0);
    const char *path = json_string_value(json_object_get(record, cases[i].path_key));
    cr_assert(path && strncmp(path, cases[i].first, strlen(cases[i].first)) == 0, "%s", path);
    cr_assert_eq(json_object_get(record, "processed_tokens") != NULL, cases[i].tokens);
    json_decref(records);
    char *bytes;
    size_t size;
    cr_assert_eq(xr_read_file(train->images[0].path, &bytes, &size), XR_OK);
    if (!first_bytes) {
      first_bytes = bytes;
      first_size = size;
    } else {
      cr_assert(size == first_size && memcmp(bytes, first_bytes, size) == 0, "%s has another first picture", cases[i].name);
      free(bytes);
    }
    xr_dataset_free(d);
  }
  free(first_bytes);
  xr_synth_options unknown = {.folder = folder, .layout = "market", .identities = 20};
  xr_synth_summary summary;
  cr_assert_eq(xr_synth_write(&unknown, &summary), XR_BAD_INPUT);
}

/* A picture's folder says nothing of its split, as in MSMT17, from which ICFG-PEDES is taken. */
Test(synth, folders_of_icfg_pedes_hold_both_splits) {
  char folder[XR_PATH_MAX];
  xr_synth_summary summary;
  scratch_path(folder, "icfg");
  xr_synth_options options = {.folder = folder, .layout = "icfg-pedes", .identities = 12, .seed = 1};
  cr_assert(xr_synth_write(&options, &summary) == XR_OK, "%s", xr_message());
  json_t *records = load(folder, "ICFG-PEDES.json"), *record;
  size_t i;
  int seen[2][2] = {{0}};
  json_array_foreach(records, i, record) seen[strcmp(json_string_value(json_object_get(record, "split")), "test") == 0]
                                             [strncmp(json_string_value(json_object_get(record, "file_path")), "test/", 5) == 0]++;
  cr_assert(seen[0][0] && seen[0][1] && seen[1][0] && seen[1][1]);
  json_decref(records);
}

static void check_caption(const char *text) {
  cr_assert(isupper((unsigned char)text[0]) && text[strlen(text) - 1] == '.', "%s", text);
  cr_assert(!strstr(text, "  ") && !strstr(text, " ,") && !strstr(text, " ."), "%s", text);
  for (const char *c = text; (c = strstr(c, " a ")); c += 3) cr_assert(!strchr("aeioAEIO", c[3]), "%s", text);
  for (const char *c = text; (c = strstr(c, " an ")); c += 4) cr_assert(strchr("aeiouAEIOU", c[4]), "%s", text);
  int words = 1;
  for (const char *c = text; *c; c++) words += *c == ' ';
  cr_assert(words >= 5 && words <= 60, "%d words: %s", words, text);
}

Test(synth, captions_are_sentences_about_what_the_picture_shows) {
  char folder[XR_PATH_MAX];
  xr_synth_summary summary;
  scratch_path(folder, "captions");
  write_set(folder, 60, 2, &summary);
  json_t *records = load(folder, "reid_raw.json"), *truth = load(folder, "attributes.json"), *images = json_object_get(truth, "images"),
         *record, *pair, *mentions;
  size_t i, k, m;
  cr_assert_eq(json_array_size(records), json_array_size(images));
  json_array_foreach(records, i, record) {
    json_t *image = json_array_get(images, i), *values = json_object_get(image, "values");
    cr_assert_str_eq(json_string_value(json_object_get(record, "file_path")), json_string_value(json_object_get(image, "file_path")));
    for (k = 0; k < 2; k++) check_caption(json_string_value(json_array_get(json_object_get(record, "captions"), k)));
    json_array_foreach(json_object_get(image, "mentions"), k, mentions) {
      cr_assert_geq(json_array_size(mentions), 2);
      json_array_foreach(mentions, m, pair)
          cr_assert_eq(json_integer_value(json_array_get(values, (size_t)json_integer_value(json_array_get(pair, 0)))),
                       json_integer_value(json_array_get(pair, 1)));
    }
  }
  json_decref(records);
  json_decref(truth);
}

/* Captions are partly ambiguous: the truth behind them does not find everybody, and finds far more than chance. */
Test(synth, attributes_are_shared) {
  char folder[XR_PATH_MAX];
  xr_synth_summary summary;
  double train;
  scratch_path(folder, "shared");
  write_set(folder, 150, 3, &summary);
  cr_assert(summary.attribute_rank1 > 0.7 && summary.attribute_rank1 < 0.98, "%g", summary.attribute_rank1);
  cr_assert(xr_synth_attribute_rank1(folder, "train", &train) == XR_OK);
  cr_assert(train > 0.5 && train < summary.attribute_rank1 + 0.1, "%g", train);
  cr_assert_eq(xr_synth_attribute_rank1(folder, "nothing", &train), XR_NOT_FOUND);
}

Test(synth, leaves_other_folders_alone) {
  char folder[XR_PATH_MAX], file[XR_PATH_MAX];
  xr_synth_summary summary;
  scratch_path(folder, "foreign");
  cr_assert(xr_make_folders(folder) == XR_OK && xr_path_join(file, folder, "thesis.txt") == XR_OK && xr_write_file(file, "x", 1) == XR_OK);
  xr_synth_options options = {.folder = folder, .identities = 12, .seed = 1};
  cr_assert_eq(xr_synth_write(&options, &summary), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "choose another folder"), "%s", xr_message());
  cr_assert(xr_is_file(file));
  options.identities = 3;
  cr_assert_eq(xr_synth_write(&options, &summary), XR_BAD_INPUT);
}
