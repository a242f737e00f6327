#include "host/data/dataset.h"
#include "tests/data/scratch.h"

#define RECORD(id, key, path, split, a, b) \
  "{\"id\":" #id ",\"" key "\":\"" path "\",\"captions\":[\"" a "\",\"" b "\"],\"split\":\"" split "\"}"
#define TRAIN_0 RECORD(0, "img_path", "0000_c5_0022.jpg", "train", "a one", "a two")
#define TRAIN_1 RECORD(1, "img_path", "0001_c14_0002.jpg", "train", "b one", "b two")
#define VAL_7 RECORD(7, "img_path", "0007_c1_0000.jpg", "val", "v one", "v two")
#define TEST_9 RECORD(9, "img_path", "odd name.jpg", "test", "t one", "t two")
#define RECORDS "[" TRAIN_0 ", " TRAIN_1 ", " VAL_7 ", " TEST_9 "]"

static scratch files;
static void begin(void) {
  static const char *const names[] = {"imgs/0000_c5_0022.jpg", "imgs/0001_c14_0002.jpg", "imgs/0007_c1_0000.jpg", "imgs/odd name.jpg"};
  files = scratch_new();
  for (size_t i = 0; i < 4; i++) scratch_text(&files, names[i], "x");
}
static void end(void) { scratch_remove(&files); }
TestSuite(rstpreid, .init = begin, .fini = end);

static void expect_content(void) {
  xr_dataset *d;
  cr_assert(xr_dataset_open(&d, "rstpreid", files.root, NULL) == XR_OK, "%s", xr_message());
  const xr_split *train = &d->splits[XR_SPLIT_TRAIN], *val = &d->splits[XR_SPLIT_VAL], *test = &d->splits[XR_SPLIT_TEST];
  cr_assert_eq(d->identities, 2);
  cr_assert_eq(train->image_count, 2);
  cr_assert_eq(train->caption_count, 4);
  cr_assert_str_eq(xr_path_name(train->images[1].path), "0001_c14_0002.jpg");
  cr_assert_eq(train->images[0].camera, 5);
  cr_assert_eq(train->images[1].camera, 14);
  cr_assert_eq(val->images[0].camera, 1);
  cr_assert_eq(test->images[0].camera, -1, "a name without a camera");
  cr_assert_eq(train->captions[2].pid, 1);
  cr_assert_eq(train->captions[2].image, 1);
  cr_assert_str_eq(train->captions[3].text, "b two");
  cr_assert_eq(val->captions[1].pid, 7);
  cr_assert_eq(test->captions[0].pid, 9);
  cr_assert_eq(xr_dataset_label(d, 0), 0);
  cr_assert_eq(xr_dataset_label(d, 1), 1);
  xr_dataset_free(d);
}

Test(rstpreid, records_with_img_path) {
  scratch_text(&files, "data_captions.json", RECORDS);
  expect_content();
}

Test(rstpreid, one_file_a_split_with_file_path) {
  scratch_text(&files, "processed_data/train.json",
               "[" RECORD(0, "file_path", "0000_c5_0022.jpg", "train", "a one", "a two") "," RECORD(1, "file_path", "0001_c14_0002.jpg",
                                                                                                    "train", "b one", "b two") "]");
  scratch_text(&files, "processed_data/val.json", "[" RECORD(7, "file_path", "0007_c1_0000.jpg", "val", "v one", "v two") "]");
  scratch_text(&files, "processed_data/test.json", "[" RECORD(9, "file_path", "odd name.jpg", "test", "t one", "t two") "]");
  expect_content();
}

Test(rstpreid, records_without_a_path) {
  xr_dataset *d;
  scratch_text(&files, "data_captions.json", "[" TRAIN_0 ",{\"id\":1,\"captions\":[\"x\"],\"split\":\"train\"}]");
  cr_assert_eq(xr_dataset_open(&d, "rstpreid", files.root, NULL), XR_BAD_INPUT);
  expect_message("data_captions.json: record 1: the key \"img_path\" is missing");
}

Test(rstpreid, training_ids_start_from_0) {
  xr_dataset *d;
  scratch_text(&files, "data_captions.json", "[" TRAIN_1 "," TEST_9 "]");
  cr_assert_eq(xr_dataset_open(&d, "rstpreid", files.root, NULL), XR_BAD_INPUT);
  expect_message("id 0 is missing");
}

/* The split of the release before October 2022, with one image for all records. */
static void write_release(int train, int val, int test) {
  char *json = malloc(4 << 20);
  size_t used = (size_t)sprintf(json, "[");
  for (int id = 0; id < train + val + test; id++)
    for (int k = 0; k < 5; k++)
      used += (size_t)sprintf(json + used, "%s{\"id\":%d,\"img_path\":\"0000_c5_0022.jpg\",\"captions\":[\"x\",\"y\"],\"split\":\"%s\"}",
                              used > 1 ? "," : "", id,
                              id < train         ? "train"
                              : id < train + val ? "val"
                                                 : "test");
  strcpy(json + used, "]");
  scratch_text(&files, "data_captions.json", json);
  free(json);
}

static const xr_dataset_problem *find_problem(const xr_dataset_problems *problems, const char *kind) {
  for (size_t i = 0; i < problems->count; i++)
    if (!strcmp(problems->list[i].kind, kind)) return &problems->list[i];
  return NULL;
}

Test(rstpreid, the_early_split_is_recognised) {
  xr_dataset *d;
  xr_dataset_problems problems = {0};
  write_release(3901, 100, 100);
  cr_assert_eq(xr_dataset_open(&d, "rstpreid", files.root, &(xr_dataset_options){.problems = &problems}), XR_OK);
  xr_dataset_free(d);
  cr_assert_eq(problems.errors, 0);
  const xr_dataset_problem *p = find_problem(&problems, "known-variant");
  cr_assert(p, "no warning");
  cr_assert(strstr(p->text, "train 3901, 19505, 39010 instead of 3701, 18505, 37010"), "%s", p->text);
  cr_assert(strstr(p->text, "early release"), "%s", p->text);
}

Test(rstpreid, the_official_split_passes_without_a_word_and_another_is_no_early_one) {
  xr_dataset *d;
  xr_dataset_problems problems = {0}, others = {0};
  write_release(3701, 200, 200);
  cr_assert_eq(xr_dataset_open(&d, "rstpreid", files.root, &(xr_dataset_options){.problems = &problems}), XR_OK);
  xr_dataset_free(d);
  cr_assert_eq(problems.count, 0, "%s", problems.list[0].text);
  write_release(3901, 100, 99);
  cr_assert_eq(xr_dataset_open(&d, "rstpreid", files.root, &(xr_dataset_options){.problems = &others}), XR_OK);
  xr_dataset_free(d);
  cr_assert(find_problem(&others, "counts") && !find_problem(&others, "known-variant"));
}
