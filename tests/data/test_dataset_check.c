#include "host/data/dataset.h"
#include "tests/data/scratch.h"

static scratch files;
static void begin(void) { files = scratch_new(); }
static void end(void) { scratch_remove(&files); }
TestSuite(dataset_check, .init = begin, .fini = end);

static xr_dataset_problems problems;

static xr_status check(const char *json) {
  xr_dataset *d;
  problems = (xr_dataset_problems){0};
  scratch_text(&files, "reid_raw.json", json);
  xr_status status = xr_dataset_check(&d, "cuhk-pedes", files.root, &(xr_dataset_options){.problems = &problems});
  xr_dataset_free(d);
  return status;
}

static const xr_dataset_problem *find(const char *kind) {
  for (size_t i = 0; i < problems.count; i++)
    if (!strcmp(problems.list[i].kind, kind)) return &problems.list[i];
  return NULL;
}

static void expect(const char *kind, bool error, size_t count, const char *part) {
  const xr_dataset_problem *p = find(kind);
  cr_assert(p, "%s was not found", kind);
  cr_assert_eq(p->error, error, "%s", p->text);
  cr_assert_eq(p->count, count, "%zu: %s", p->count, p->text);
  cr_assert(strstr(p->text, part), "no '%s' in: %s", part, p->text);
}

#define R(id, path, split, captions) "{\"id\":" #id ",\"file_path\":\"" path "\",\"split\":\"" split "\",\"captions\":[" captions "]}"

Test(dataset_check, a_clean_set_differs_from_the_release_in_size_alone) {
  scratch_text(&files, "imgs/a", "x");
  scratch_text(&files, "imgs/b", "x");
  scratch_text(&files, "imgs/c", "x");
  cr_assert_eq(check("[" R(1, "a", "train", "\"one\"") "," R(2, "b", "val", "\"two\"") "," R(3, "c", "test", "\"three\"") "]"), XR_OK);
  cr_assert_eq(problems.count, 1);
  cr_assert_eq(problems.errors, 0);
  expect("counts", false, 3, "train 1, 1, 1 instead of 11003, 34054, 68126; val 1, 1, 1 instead of 1000, 3078, 6158");
  scratch_text(&files, "synth.json", "{}"); /* a drawn set does not claim to be the release */
  cr_assert_eq(check("[" R(1, "a", "train", "\"one\"") "," R(2, "b", "val", "\"two\"") "," R(3, "c", "test", "\"three\"") "]"), XR_OK);
  cr_assert_eq(problems.count, 0);
}

Test(dataset_check, everything_that_is_wrong_is_reported_at_once) {
  char *json = malloc(200000), *at;
  scratch_text(&files, "imgs/a", "x");
  at = stpcpy(json, "[" R(1, "a", "train", "\"one\",\"\",\" \\t\"") "," R(3, "b", "train", "\"one\"") "," R(
                        3, "d/e", "Test", "\"four\"") "," R(3, "a", "test", "\"five\",\"one\"") ",{\"id\":9,\"file_path\":\"long\","
                                                                                                "\"split\":\"test\",\"captions\":[\"");
  for (int i = 0; i < 10000; i++) at = stpcpy(at, i ? " word" : "word");
  strcpy(at, "\"]}]");
  cr_assert_eq(check(json), XR_OK);
  free(json);
  cr_assert_eq(problems.errors, 2);
  expect("gap", true, 1, "id 2 is missing");
  expect("missing-images", true, 3, "imgs/b, imgs/d/e, imgs/long");
  expect("missing-images", true, 3, "whole folders are missing: imgs/d/");
  expect("empty-captions", false, 2, "the first in record 0");
  expect("unknown-split", false, 1, "\"Test\" (record 2)");
  expect("long-captions", false, 1, "the longest has 10000: ");
  expect("shared-captions", false, 2, "caption of another person");
  expect("repeated-images", false, 1, "imgs/a");
  cr_assert(find("counts"));
  const xr_dataset_problem *shared = find("shared-identities");
  cr_assert(shared && strstr(shared->text, "1 ids are in both train and val"), "%s", shared ? shared->text : "none");
}

Test(dataset_check, a_file_that_cannot_be_read_is_one_error) {
  cr_assert_eq(check("[{"), XR_BAD_INPUT);
  cr_assert_eq(problems.count, 1);
  expect("unreadable", true, 1, "reid_raw.json: line 1");
}

/* Empty captions stay in every split: published protocols rank them. */
Test(dataset_check, empty_captions_are_kept) {
  xr_dataset *d;
  scratch_text(&files, "imgs/a", "x");
  scratch_text(&files, "imgs/b", "x");
  scratch_text(&files, "reid_raw.json", "[" R(1, "a", "train", "\"\",\"one\"") "," R(3, "b", "test", "\"\"") "]");
  cr_assert(xr_dataset_open(&d, "cuhk-pedes", files.root, NULL) == XR_OK, "%s", xr_message());
  cr_assert_eq(d->splits[XR_SPLIT_TRAIN].caption_count, 2);
  cr_assert_str_eq(d->splits[XR_SPLIT_TRAIN].captions[0].text, "");
  cr_assert_eq(d->splits[XR_SPLIT_TEST].caption_count, 1);
  xr_dataset_free(d);
}
