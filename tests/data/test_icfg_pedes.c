#include "host/data/dataset.h"
#include "tests/data/scratch.h"

/* Folders say nothing of the split: records 0 and 4 lie in the other one. */
#define RECORD(id, path, split, text) "{\"id\":" #id ",\"file_path\":\"" path "\",\"split\":\"" split "\",\"captions\":[\"" text "\"]}"
#define RECORDS                                                                                                                           \
  "[" RECORD(0, "test/a.jpg", "train", "a one") "," RECORD(1, "train/b.jpg", "train", "b one") "," RECORD(                                \
      2, "train/c.jpg", "train", "c one") "," RECORD(1, "train/d.jpg", "train",                                                           \
                                                     "d one") "," RECORD(5, "train/e.jpg", "test",                                        \
                                                                         "e one") "," RECORD(3, "train/f.jpg", "train",                   \
                                                                                             "f one") "," RECORD(7, "test/g.jpg", "test", \
                                                                                                                 "g one") "]"

static scratch files;
static void begin(void) {
  static const char *const names[] = {"test/a.jpg",  "train/b.jpg", "train/c.jpg", "train/d.jpg",
                                      "train/e.jpg", "train/f.jpg", "test/g.jpg"};
  files = scratch_new();
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[64];
    snprintf(path, sizeof path, "imgs/%s", names[i]);
    scratch_text(&files, path, "x");
  }
}
static void end(void) { scratch_remove(&files); }
TestSuite(icfg_pedes, .init = begin, .fini = end);

static xr_dataset *open_with(const xr_dataset_options *options) {
  xr_dataset *d;
  cr_assert(xr_dataset_open(&d, "icfg-pedes", files.root, options) == XR_OK, "%s", xr_message());
  return d;
}

static void expect_images(const xr_split *split, size_t count, const int32_t *pids, const char *const *texts) {
  cr_assert_eq(split->image_count, count);
  cr_assert_eq(split->caption_count, count);
  for (size_t i = 0; i < count; i++) {
    cr_assert_eq(split->images[i].pid, pids[i], "image %zu", i);
    cr_assert_eq(split->images[i].image_id, (int32_t)i);
    cr_assert_eq(split->captions[i].image, (int32_t)i);
    cr_assert_eq(split->captions[i].image_id, (int32_t)i);
    cr_assert_eq(split->captions[i].pid, pids[i]);
    cr_assert_str_eq(split->captions[i].text, texts[i]);
    cr_assert_eq(strncmp(xr_path_name(split->images[i].path), texts[i], 1), 0, "%s is not the image of '%s'", split->images[i].path,
                 texts[i]);
  }
}

static void expect_whole(const xr_dataset *d) {
  cr_assert_eq(d->identities, 4);
  expect_images(&d->splits[XR_SPLIT_TRAIN], 5, (int32_t[]){0, 1, 2, 1, 3}, (const char *[]){"a one", "b one", "c one", "d one", "f one"});
  expect_images(&d->splits[XR_SPLIT_VAL], 0, NULL, NULL);
  expect_images(&d->splits[XR_SPLIT_TEST], 2, (int32_t[]){5, 7}, (const char *[]){"e one", "g one"});
}

Test(icfg_pedes, both_names_of_the_file_and_records_that_decide_the_split) {
  static const char *const names[] = {"ICFG_PEDES.json", "ICFG-PEDES.json"};
  for (size_t i = 0; i < 2; i++) {
    scratch_text(&files, names[i], RECORDS);
    xr_dataset *d = open_with(NULL);
    expect_whole(d);
    cr_assert_str_eq(xr_path_name(d->source), names[i], "the official name goes before the other");
    xr_dataset_free(d);
  }
}

Test(icfg_pedes, one_file_a_split_without_val) {
  scratch_text(&files, "processed_data/train.json",
               "[" RECORD(0, "test/a.jpg", "", "a one") "," RECORD(1, "train/b.jpg", "", "b one") "," RECORD(
                   2, "train/c.jpg", "", "c one") "," RECORD(1, "train/d.jpg", "", "d one") "," RECORD(3, "train/f.jpg", "", "f one") "]");
  scratch_text(&files, "processed_data/test.json", "[" RECORD(5, "train/e.jpg", "", "e one") "," RECORD(7, "test/g.jpg", "", "g one") "]");
  xr_dataset *d = open_with(NULL);
  expect_whole(d);
  xr_dataset_free(d);
  d = open_with(&(xr_dataset_options){.splits = 1u << XR_SPLIT_VAL, .val_holdout = 0.25}); /* train is read for it */
  expect_images(&d->splits[XR_SPLIT_VAL], 1, (int32_t[]){2}, (const char *[]){"c one"});
  xr_dataset_free(d);
}

Test(icfg_pedes, holds_persons_out_for_val) {
  scratch_text(&files, "ICFG-PEDES.json", RECORDS);
  xr_dataset *d = open_with(&(xr_dataset_options){.val_holdout = 0.05}); /* 0.2 of 4: at least one, the place 4 / 2 */
  expect_images(&d->splits[XR_SPLIT_TRAIN], 4, (int32_t[]){0, 1, 1, 3}, (const char *[]){"a one", "b one", "d one", "f one"});
  expect_images(&d->splits[XR_SPLIT_VAL], 1, (int32_t[]){2}, (const char *[]){"c one"});
  expect_images(&d->splits[XR_SPLIT_TEST], 2, (int32_t[]){5, 7}, (const char *[]){"e one", "g one"});
  cr_assert_eq(d->identities, 3);
  cr_assert_eq(xr_dataset_label(d, 1), 1);
  cr_assert_eq(xr_dataset_label(d, 2), -1);
  cr_assert_eq(xr_dataset_label(d, 3), 2, "labels have no gap");
  xr_dataset_free(d);
  d = open_with(&(xr_dataset_options){.val_holdout = 0.5}); /* the places 4 / 4 and 12 / 4 */
  expect_images(&d->splits[XR_SPLIT_TRAIN], 2, (int32_t[]){0, 2}, (const char *[]){"a one", "c one"});
  expect_images(&d->splits[XR_SPLIT_VAL], 3, (int32_t[]){1, 1, 3}, (const char *[]){"b one", "d one", "f one"});
  xr_dataset_free(d);
}

Test(icfg_pedes, says_where_a_val_split_can_come_from) {
  xr_dataset *d;
  scratch_text(&files, "ICFG-PEDES.json", RECORDS);
  cr_assert_eq(xr_dataset_open(&d, "icfg-pedes", files.root, &(xr_dataset_options){.splits = 1u << XR_SPLIT_VAL}), XR_BAD_INPUT);
  expect_message("no record of the val split: the data set has none. data.val_holdout");
  cr_assert_eq(xr_dataset_open(&d, "icfg-pedes", files.root, &(xr_dataset_options){.val_holdout = 1}), XR_BAD_INPUT);
  expect_message("leaves none of the 4 training identities");
}

Test(icfg_pedes, how_many_are_held_out) {
  static const struct {
    size_t identities;
    double share;
    size_t held;
  } cases[] = {{3102, 0.05, 155}, {3102, 0, 0}, {4, 0.05, 1}, {10, 0.25, 3}, {10, 0.5, 5}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    cr_assert_eq(xr_held_out(cases[i].identities, cases[i].share), cases[i].held, "case %zu", i);
  cr_assert_eq(xr_dataset_classes(xr_dataset_expected("icfg-pedes"), 0.05), 2947);
  cr_assert_eq(xr_dataset_classes(xr_dataset_expected("icfg-pedes"), 0), 3102);
  cr_assert_eq(xr_dataset_classes(xr_dataset_expected("rstpreid"), 0.05), 3701);
}

Test(icfg_pedes, training_ids_start_from_0) {
  xr_dataset *d;
  scratch_text(&files, "ICFG-PEDES.json", "[" RECORD(1, "train/b.jpg", "train", "b one") "," RECORD(5, "train/e.jpg", "test", "e one") "]");
  cr_assert_eq(xr_dataset_open(&d, "icfg-pedes", files.root, NULL), XR_BAD_INPUT);
  expect_message("id 0 is missing");
}

Test(icfg_pedes, a_missing_folder_is_named) {
  xr_dataset *d;
  char command[256];
  scratch_text(&files, "ICFG-PEDES.json", RECORDS);
  snprintf(command, sizeof command, "rm -r %s/imgs/train", files.root);
  cr_assert_eq(system(command), 0);
  cr_assert_eq(xr_dataset_open(&d, "icfg-pedes", files.root, NULL), XR_NOT_FOUND);
  expect_message("names 7 images of which 5 are missing");
  expect_message("whole folders are missing: imgs/train/");
}

Test(icfg_pedes, folders_that_cannot_be_used) {
  xr_dataset *d;
  cr_assert_eq(xr_dataset_open(&d, "icfg-pedes", files.root, NULL), XR_NOT_FOUND);
  expect_message("looked for ICFG-PEDES.json, ICFG_PEDES.json, annotations/train.json");
  scratch_text(&files, "ICFG-PEDES/ICFG-PEDES.json", RECORDS);
  cr_assert_eq(xr_dataset_open(&d, "icfg-pedes", files.root, NULL), XR_NOT_FOUND);
  expect_message("give that folder");
}

Test(icfg_pedes, official_counts) {
  const xr_split_counts *expected = xr_dataset_expected("icfg-pedes");
  cr_assert_eq(expected[XR_SPLIT_TRAIN].identities + expected[XR_SPLIT_TEST].identities, 4102);
  cr_assert_eq(expected[XR_SPLIT_TRAIN].images + expected[XR_SPLIT_TEST].images, 54522);
  cr_assert_eq(expected[XR_SPLIT_VAL].images, 0);
}
