#include "host/data/dataset.h"
#include "tests/data/scratch.h"

#define TRAIN_1 \
  "{\"id\":1,\"file_path\":\"CUHK01/a.png\",\"split\":\"train\",\"captions\":[\"a one\",\"a two\",\"a three\"],\"processed_tokens\":[]}"
#define TRAIN_2 "{\"id\":2,\"file_path\":\"Market/b.jpg\",\"split\":\"train\",\"captions\":[\"b one\"]}"
#define TRAIN_2B "{\"id\":2,\"file_path\":\"Market/c.jpg\",\"split\":\"train\",\"captions\":[\"c one\",\"c zw\\u00f6lf\"]}"
#define TRAIN_3 "{\"id\":3,\"file_path\":\"cam_a/d.jpg\",\"split\":\"train\",\"captions\":[\"d one\"]}"
#define VAL_7 "{\"id\":7,\"file_path\":\"cam_b/v.jpg\",\"split\":\"Train\",\"captions\":[\"v one\",\"v two\"]}"
#define TEST_9 "{\"id\":9,\"file_path\":\"test_query/t.jpg\",\"split\":\"test\",\"captions\":[\"t one\",\"t two\"]}"
#define TEST_9B "{\"id\":9,\"file_path\":\"test_query/u.jpg\",\"split\":\"test\",\"captions\":[\"u one\",\"u two\"]}"

static const char *const image_files[] = {"CUHK01/a.png", "Market/b.jpg",     "Market/c.jpg",    "cam_a/d.jpg",
                                          "cam_b/v.jpg",  "test_query/t.jpg", "test_query/u.jpg"};

static void write_images(const scratch *s) {
  for (size_t i = 0; i < sizeof image_files / sizeof *image_files; i++) {
    char name[256];
    snprintf(name, sizeof name, "imgs/%s", image_files[i]);
    scratch_text(s, name, "x");
  }
}

static xr_status open_json(const char *json, const xr_dataset_options *options, xr_dataset **d) {
  scratch s = scratch_new();
  write_images(&s);
  scratch_text(&s, "reid_raw.json", json);
  xr_status status = xr_dataset_open(d, "cuhk-pedes", s.root, options);
  scratch_remove(&s);
  return status;
}

static void expect_failure(const char *json, xr_status code, const char *part) {
  xr_dataset *d;
  xr_status status = open_json(json, NULL, &d);
  cr_assert_eq(status, code, "status %d: %s", (int)status, xr_message());
  cr_assert_null(d);
  expect_message(part);
  expect_message("reid_raw.json");
}

/* The same seven images, whichever form they were read from. */
static void expect_content(const xr_dataset *d, int32_t first_id) {
  const xr_split *train = &d->splits[XR_SPLIT_TRAIN], *val = &d->splits[XR_SPLIT_VAL], *test = &d->splits[XR_SPLIT_TEST];
  cr_assert_eq(train->image_count, 4);
  cr_assert_eq(train->caption_count, 7);
  cr_assert_eq(val->image_count, 1);
  cr_assert_eq(val->caption_count, 2);
  cr_assert_eq(test->image_count, 2);
  cr_assert_eq(test->caption_count, 4);
  cr_assert_eq(d->identities, 3);
  static const int32_t image[] = {0, 0, 0, 1, 2, 2, 3}, pid[] = {1, 1, 1, 2, 2, 2, 3}, number[] = {0, 1, 2, 0, 0, 1, 0};
  static const char *const text[] = {"a one", "a two", "a three", "b one", "c one", "c zw\xc3\xb6lf", "d one"};
  for (size_t i = 0; i < 7; i++) {
    const xr_caption_record *c = &train->captions[i];
    cr_assert_eq(c->image, image[i]);
    cr_assert_eq(c->image_id, image[i]);
    cr_assert_eq(c->pid, pid[i] - 1 + first_id);
    cr_assert_eq(c->number, number[i]);
    cr_assert_str_eq(c->text, text[i]);
    cr_assert_eq(xr_dataset_label(d, c->pid), pid[i] - 1);
  }
  for (size_t i = 0; i < 4; i++) {
    char tail[256];
    snprintf(tail, sizeof tail, "%s/imgs/%s", d->root, image_files[i]);
    cr_assert_str_eq(train->images[i].path, tail);
    cr_assert_eq(train->images[i].image_id, (int32_t)i);
    cr_assert_eq(train->images[i].camera, -1);
    cr_assert_eq(train->images[i].modality, XR_MODALITY_VISIBLE);
  }
  cr_assert_eq(val->images[0].pid, 7);
  cr_assert_eq(test->captions[2].pid, 9);
  cr_assert_eq(test->captions[2].image, 1);
  cr_assert_str_eq(test->captions[3].text, "u two");
  cr_assert_eq(xr_dataset_label(d, 9), -1);
  cr_assert_eq(xr_split_identities(test), 1);
  cr_assert_eq(xr_split_identities(train), 3);
}

Test(cuhk_pedes, records_of_one_file) {
  xr_dataset *d;
  xr_status status = open_json("[" TRAIN_1 "," TEST_9 "," TRAIN_2 "," TRAIN_2B "," VAL_7 "," TRAIN_3 "," TEST_9B "]", NULL, &d);
  cr_assert(status == XR_OK, "%s", xr_message());
  expect_content(d, 1);
  xr_dataset_free(d);
}

#define A(id, image, path, text) \
  "{\"id\":" #id ",\"image_id\":" #image ",\"file_path\":\"" path "\",\"sentence\":\"" text "\",\"onehot\":[1]}"

static void write_annotations(const scratch *s) {
  write_images(s);
  scratch_text(s, "annotations/train.json",
               "{\"annotations\":[" A(0, 5, "CUHK01/a.png", "a one") "," A(0, 5, "CUHK01/a.png", "a two") "," A(
                   0, 5, "CUHK01/a.png", "a three") "," A(1, 3, "Market/b.jpg",
                                                          "b one") "," A(1, 8, "Market/c.jpg",
                                                                         "c one") "," A(1, 8, "Market/c.jpg",
                                                                                        "c zw\\u00f6lf") "," A(2, 90000, "cam_a/d.jpg",
                                                                                                               "d one") "]}");
  scratch_text(s, "annotations/val.json", "{\"annotations\":[" A(7, 0, "cam_b/v.jpg", "v one") "," A(7, 0, "cam_b/v.jpg", "v two") "]}");
  scratch_text(s, "annotations/test.json",
               "{\"annotations\":[" A(9, 0, "test_query/t.jpg", "t one") "," A(9, 0, "test_query/t.jpg", "t two") "," A(
                   9, 1, "test_query/u.jpg", "u one") "," A(9, 1, "test_query/u.jpg", "u two") "]}");
}

Test(cuhk_pedes, one_entry_a_caption) {
  scratch s = scratch_new();
  write_annotations(&s);
  xr_dataset *d;
  xr_status status = xr_dataset_open(&d, "cuhk-pedes", s.root, NULL);
  cr_assert(status == XR_OK, "%s", xr_message());
  expect_content(d, 0);
  xr_dataset_free(d);
  scratch_remove(&s);
}

Test(cuhk_pedes, annotation_errors) {
  scratch s = scratch_new();
  write_annotations(&s);
  xr_dataset *d;
  scratch_text(&s, "annotations/val.json", "{\"annotations\":[" A(7, 0, "cam_b/v.jpg", "v one") "," A(8, 0, "cam_b/v.jpg", "v two") "]}");
  cr_assert_eq(xr_dataset_open(&d, "cuhk-pedes", s.root, NULL), XR_BAD_INPUT);
  expect_message("annotations/val.json: record 1: image_id 0 is");
  expect_message("of id 8 here");
  scratch_text(&s, "annotations/val.json",
               "{\"annotations\":[" A(7, 0, "cam_b/v.jpg", "v one") ",{\"id\":7,\"image_id\":1,\"file_path\":\"x\"}]}");
  cr_assert_eq(xr_dataset_open(&d, "cuhk-pedes", s.root, NULL), XR_BAD_INPUT);
  expect_message("record 1: the key \"sentence\" is missing");
  scratch_text(&s, "annotations/val.json", "[]");
  cr_assert_eq(xr_dataset_open(&d, "cuhk-pedes", s.root, NULL), XR_BAD_INPUT);
  expect_message("an array \"annotations\"");
  xr_dataset_options options = {.splits = 1u << XR_SPLIT_TRAIN | 1u << XR_SPLIT_TEST}; /* val is not read at all */
  cr_assert(xr_dataset_open(&d, "cuhk-pedes", s.root, &options) == XR_OK, "%s", xr_message());
  cr_assert_eq(d->splits[XR_SPLIT_VAL].image_count, 0);
  xr_dataset_free(d);
  scratch_remove(&s);
}

Test(cuhk_pedes, records_in_one_file_a_split) {
  scratch s = scratch_new();
  write_images(&s);
  scratch_text(&s, "processed_data/train.json", "[" TRAIN_1 "," TRAIN_2 "," TRAIN_2B "," TRAIN_3 "]");
  scratch_text(&s, "processed_data/val.json", "[" VAL_7 "]");
  scratch_text(&s, "processed_data/test.json", "[" TEST_9 "," TEST_9B "]");
  xr_dataset *d;
  xr_status status = xr_dataset_open(&d, "cuhk-pedes", s.root, NULL);
  cr_assert(status == XR_OK, "%s", xr_message());
  expect_content(d, 1);
  xr_dataset_free(d);
  scratch_text(&s, "processed_data/test.json", "");
  cr_assert_eq(xr_dataset_open(&d, "cuhk-pedes", s.root, NULL), XR_BAD_INPUT);
  expect_message("processed_data/test.json: line 1");
  scratch_remove(&s);
}

/* The form without val: its persons come from train when they are asked for. */
Test(cuhk_pedes, records_of_train_and_test_alone) {
  scratch s = scratch_new();
  write_images(&s);
  scratch_text(&s, "train_reid.json", "[" TRAIN_1 "," TRAIN_2 "," TRAIN_2B "," TRAIN_3 "]");
  scratch_text(&s, "test_reid.json", "[" TEST_9 "," TEST_9B "]");
  xr_dataset *d;
  cr_assert(xr_dataset_open(&d, "cuhk-pedes", s.root, NULL) == XR_OK, "%s", xr_message());
  cr_assert_eq(d->identities, 3);
  cr_assert_eq(d->splits[XR_SPLIT_VAL].image_count, 0);
  cr_assert_eq(d->splits[XR_SPLIT_TEST].caption_count, 4);
  xr_dataset_free(d);
  xr_dataset_options options = {.splits = 1u << XR_SPLIT_VAL, .val_holdout = 0.05};
  cr_assert(xr_dataset_open(&d, "cuhk-pedes", s.root, &options) == XR_OK, "%s", xr_message());
  cr_assert_eq(d->identities, 2);
  cr_assert_eq(d->splits[XR_SPLIT_VAL].image_count, 2);
  cr_assert_eq(d->splits[XR_SPLIT_VAL].images[0].pid, 2);
  xr_dataset_free(d);
  scratch_remove(&s);
}

Test(cuhk_pedes, nothing_is_held_out_where_there_is_a_val_split) {
  xr_dataset *d;
  xr_dataset_options options = {.val_holdout = 0.5};
  cr_assert_eq(open_json("[" TRAIN_1 "," TRAIN_2 "," VAL_7 "," TEST_9 "]", &options, &d), XR_OK);
  cr_assert_eq(d->identities, 2);
  cr_assert_eq(d->splits[XR_SPLIT_VAL].image_count, 1);
  xr_dataset_free(d);
  cr_assert_eq(open_json("[" TRAIN_1 "," TRAIN_2 "," TEST_9 "]", &options, &d), XR_OK); /* records were lost: not this set's nature */
  cr_assert_eq(d->splits[XR_SPLIT_VAL].image_count, 0);
  xr_dataset_free(d);
}

Test(cuhk_pedes, a_gap_in_the_training_ids) {
  expect_failure("[" TRAIN_1 "," TRAIN_3 "," TEST_9 "]", XR_BAD_INPUT, "id 2 is missing");
  expect_failure("[" TRAIN_2 "," TRAIN_3 "]", XR_BAD_INPUT, "id 1 is missing");
  expect_message("allow_gaps");
  xr_dataset *d;
  xr_dataset_options options = {.allow_gaps = true};
  cr_assert_eq(open_json("[" TRAIN_3 "," TRAIN_1 "," TEST_9 "]", &options, &d), XR_OK);
  cr_assert_eq(d->identities, 2);
  cr_assert_eq(xr_dataset_label(d, 1), 0);
  cr_assert_eq(xr_dataset_label(d, 2), -1);
  cr_assert_eq(xr_dataset_label(d, 3), 1);
  xr_dataset_free(d);
  options = (xr_dataset_options){.splits = 1u << XR_SPLIT_TEST}; /* who only evaluates is not stopped by it */
  cr_assert_eq(open_json("[" TRAIN_3 "," TRAIN_1 "," TEST_9 "]", &options, &d), XR_OK);
  xr_dataset_free(d);
}

Test(cuhk_pedes, records_that_cannot_be_used) {
  static const struct {
    const char *record, *message;
  } cases[] = {
      {"{\"id\":2,\"file_path\":\"b\",\"split\":\"train\"}", "record 1: the key \"captions\" is missing"},
      {"{\"file_path\":\"b\",\"split\":\"train\",\"captions\":[\"x\"]}", "record 1: the key \"id\" is missing"},
      {"{\"id\":2,\"split\":\"train\",\"captions\":[\"x\"]}", "record 1: the key \"file_path\" is missing"},
      {"{\"id\":2,\"file_path\":\"b\",\"captions\":[\"x\"]}", "record 1: the key \"split\" is missing"},
      {"{\"id\":\"2\",\"file_path\":\"b\",\"split\":\"train\",\"captions\":[\"x\"]}",
       "record 1: \"id\" is a string, it must be an integer"},
      {"{\"id\":2.0,\"file_path\":\"b\",\"split\":\"train\",\"captions\":[\"x\"]}", "record 1: \"id\" is a number, it must be an integer"},
      {"{\"id\":-2,\"file_path\":\"b\",\"split\":\"train\",\"captions\":[\"x\"]}", "record 1: \"id\" is -2"},
      {"{\"id\":2147483647,\"file_path\":\"b\",\"split\":\"train\",\"captions\":[\"x\"]}", "\"id\" is 2147483647"},
      {"{\"id\":2,\"file_path\":null,\"split\":\"train\",\"captions\":[\"x\"]}", "record 1: \"file_path\" is null, it must be a string"},
      {"{\"id\":2,\"file_path\":\"b\",\"split\":true,\"captions\":[\"x\"]}", "record 1: \"split\" is true, it must be a string"},
      {"{\"id\":2,\"file_path\":\"b\",\"split\":\"train\",\"captions\":\"x\"}", "record 1: \"captions\" is a string, it must be an array"},
      {"{\"id\":2,\"file_path\":\"b\",\"split\":\"train\",\"captions\":[]}", "record 1: \"captions\" is empty"},
      {"{\"id\":2,\"file_path\":\"b\",\"split\":\"train\",\"captions\":[\"x\",{}]}",
       "record 1: caption 1 is an object, it must be a string"},
      {"[2]", "record 1 is an array, it must be an object"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char json[1024];
    snprintf(json, sizeof json, "[" TRAIN_1 ",%s]", cases[i].record);
    expect_failure(json, XR_BAD_INPUT, cases[i].message);
  }
}

Test(cuhk_pedes, files_that_cannot_be_used) {
  expect_failure("[" TRAIN_1 ",\n  {\"id\": 2,, \"file_path\"", XR_BAD_INPUT, "line 2, column 12");
  expect_failure("[" TRAIN_1 ",\n", XR_BAD_INPUT, "line 2");
  expect_failure("{\"annotations\":[]}", XR_BAD_INPUT, "the file holds an object, it must hold an array");
  expect_failure("[]", XR_BAD_INPUT, "it holds no records");
  expect_failure(
      "[{\"id\":1,\"file_path\":\"CUHK01/a.png\",\"captions\":[\"x\"]},{\"id\":1,\"file_path\":\"CUHK01/a.png\",\"captions\":[\"x\"]}]",
      XR_BAD_INPUT, "caption_all.json");
  xr_dataset *d;
  xr_dataset_options options = {.splits = 1u << XR_SPLIT_TRAIN | 1u << XR_SPLIT_VAL};
  cr_assert_eq(open_json("[" TRAIN_1 "]", &options, &d), XR_BAD_INPUT);
  expect_message("no record of the val split");
}

Test(cuhk_pedes, folders_that_cannot_be_used) {
  scratch s = scratch_new();
  xr_dataset *d;
  char path[256];
  cr_assert_eq(xr_dataset_open(&d, "cuhk-pedes", s.root, NULL), XR_NOT_FOUND);
  expect_message("looked for reid_raw.json, annotations/train.json, processed_data/train.json and train_reid.json");
  scratch_text(&s, "caption_all.json", "[]");
  cr_assert_eq(xr_dataset_open(&d, "cuhk-pedes", s.root, NULL), XR_NOT_FOUND);
  expect_message("holds no reid_raw.json: caption_all.json");
  scratch_text(&s, "CUHK-PEDES/reid_raw.json", "[]");
  cr_assert_eq(xr_dataset_open(&d, "cuhk-pedes", s.root, NULL), XR_NOT_FOUND);
  expect_message("give that folder");
  snprintf(path, sizeof path, "%s/nowhere", s.root);
  cr_assert_eq(xr_dataset_open(&d, "cuhk-pedes", path, NULL), XR_NOT_FOUND);
  expect_message("there is no such folder");
  cr_assert_eq(xr_dataset_open(&d, "cuhk", s.root, NULL), XR_BAD_INPUT);
  expect_message("known are: cuhk-pedes, icfg-pedes, rstpreid");
  scratch_remove(&s);
}

Test(cuhk_pedes, missing_images_are_counted_and_named) {
  scratch s = scratch_new();
  xr_dataset *d;
  write_images(&s);
  scratch_text(&s, "reid_raw.json", "[" TRAIN_1 "," TRAIN_2 "," TRAIN_2B "," TRAIN_3 "," VAL_7 "," TEST_9 "," TEST_9B "]");
  char path[512];
  snprintf(path, sizeof path, "%s/imgs/Market/c.jpg", s.root);
  cr_assert_eq(unlink(path), 0);
  cr_assert_eq(xr_dataset_open(&d, "cuhk-pedes", s.root, NULL), XR_NOT_FOUND);
  expect_message("names 7 images of which 1 are missing: imgs/Market/c.jpg.");
  snprintf(path, sizeof path, "rm -r %s/imgs/Market %s/imgs/test_query %s/imgs/cam_b", s.root, s.root, s.root);
  cr_assert_eq(system(path), 0);
  cr_assert_eq(xr_dataset_open(&d, "cuhk-pedes", s.root, NULL), XR_NOT_FOUND);
  expect_message("of which 5 are missing: imgs/Market/b.jpg, imgs/Market/c.jpg, imgs/cam_b/v.jpg, ..; whole folders are missing: "
                 "imgs/Market/, imgs/cam_b/, imgs/test_query/. Unpack the complete archive");
  xr_dataset_options options = {.splits = 1u << XR_SPLIT_TEST}; /* only what is used counts */
  cr_assert_eq(xr_dataset_open(&d, "cuhk-pedes", s.root, &options), XR_NOT_FOUND);
  expect_message("names 2 images of which 2 are missing");
  scratch_remove(&s);
}

Test(cuhk_pedes, official_counts) {
  const xr_split_counts *expected = xr_dataset_expected("cuhk-pedes");
  cr_assert_eq(expected[XR_SPLIT_TRAIN].captions + expected[XR_SPLIT_VAL].captions + expected[XR_SPLIT_TEST].captions, 80440);
  cr_assert_eq(expected[XR_SPLIT_TRAIN].identities + expected[XR_SPLIT_VAL].identities + expected[XR_SPLIT_TEST].identities, 13003);
  cr_assert_eq(expected[XR_SPLIT_TRAIN].images + expected[XR_SPLIT_VAL].images + expected[XR_SPLIT_TEST].images, 40206);
  cr_assert_null(xr_dataset_expected("nothing"));
}
