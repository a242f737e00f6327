#include "host/data/trials.h"
#include "host/eval/evaluate.h"
#include "tests/data/visible_infrared.h"
#include "tests/support/mat_file.h"

enum { CAMERAS = 6, MAX_ID = 533 };

/* How many images each person has by each camera in the release: a line is "id split n1 .. n6". */
typedef struct {
  char split; /* of train, val, test, or '-' */
  int count[CAMERAS];
} person;

static void read_counts(person *persons) {
  char *text;
  size_t size;
  cr_assert(xr_read_file(XREID_TEST_FOLDER "/data/sysu_mm01_counts.txt", &text, &size) == XR_OK, "%s", xr_message());
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    int id, n[CAMERAS];
    char split[8];
    cr_assert_eq(sscanf(line, "%d %7s %d %d %d %d %d %d", &id, split, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5]), 8);
    cr_assert(id >= 1 && id <= MAX_ID);
    persons[id].split = *split == 't' ? split[1] : *split; /* r, v, e */
    memcpy(persons[id].count, n, sizeof n);
  }
  free(text);
}

static void write_ids(const scratch *s, const person *persons, int count, char split, const char *name) {
  char text[4000] = "", *at = text;
  for (int id = 1; id <= count; id++)
    if (persons[id].split == split) at += sprintf(at, "%s%d", at > text ? "," : "", id);
  scratch_text(s, name, text);
}

/* Row t of a person's matrix is 1 .. n turned by t. */
static void write_permutations(const scratch *s, const person *persons, int persons_count) {
  matvar_t *cameras[CAMERAS];
  for (int c = 0; c < CAMERAS; c++) {
    matvar_t *cells[MAX_ID];
    for (int i = 0; i < persons_count; i++) {
      const int n = persons[i + 1].count[c];
      double *rows = calloc((size_t)(10 * n + 1), sizeof *rows);
      for (int t = 0; t < 10; t++)
        for (int k = 0; k < n; k++) rows[t + 10 * k] = (k + t) % n + 1;
      cells[i] = mat_matrix(NULL, 10, (size_t)n, n ? rows : NULL);
      free(rows);
    }
    cameras[c] = mat_cells(NULL, (size_t)persons_count, cells);
  }
  char path[300];
  snprintf(path, sizeof path, "%s/exp/rand_perm_cam.mat", s->root);
  mat_write(path, mat_cells("rand_perm_cam", CAMERAS, cameras));
}

static scratch files;
static void begin(void) {
  files = scratch_new();
  tree_start(&files);
}
static void end(void) { scratch_remove(&files); }
TestSuite(sysu_mm01, .init = begin, .fini = end);

static void write_tree(const person *persons, int count) {
  for (int c = 0; c < CAMERAS; c++)
    for (int id = 1; id <= count; id++)
      for (int k = 1; k <= persons[id].count[c]; k++) {
        char name[100];
        snprintf(name, sizeof name, "cam%d/%04d/%04d.jpg", c + 1, id, k);
        tree_picture(&files, name);
      }
  write_ids(&files, persons, count, 'r', "exp/train_id.txt");
  write_ids(&files, persons, count, 'v', "exp/val_id.txt");
  write_ids(&files, persons, count, 'e', "exp/test_id.txt");
}

static xr_dataset *open_tree(const xr_dataset_options *options) {
  xr_dataset *d;
  cr_assert(xr_dataset_open(&d, "sysu-mm01", files.root, options) == XR_OK, "%s", xr_message());
  return d;
}

static xr_trials make(const xr_dataset *d, xr_trials_options options) {
  xr_trials t;
  cr_assert(xr_trials_make(&t, d, XR_SPLIT_TEST, &options) == XR_OK, "%s", xr_message());
  return t;
}

static void expect_counts(const xr_split *split, size_t identities, size_t visible, size_t infrared) {
  const xr_split_counts c = xr_count_split(split);
  cr_assert_eq(c.identities, identities, "%zu", c.identities);
  cr_assert_eq(c.images - c.infrared, visible, "%zu", c.images - c.infrared);
  cr_assert_eq(c.infrared, infrared, "%zu", c.infrared);
  cr_assert_eq(split->visible_count, visible);
  for (size_t i = 0; i < split->image_count; i++) {
    cr_assert_eq(split->images[i].modality, i < visible ? XR_MODALITY_VISIBLE : XR_MODALITY_INFRARED);
    cr_assert_eq(split->images[i].modality == XR_MODALITY_INFRARED, split->images[i].camera == 3 || split->images[i].camera == 6);
    cr_assert_eq(split->images[i].image_id, (int32_t)i);
  }
}

static size_t bits_of(const uint64_t *mask, size_t images) {
  size_t count = 0;
  for (size_t i = 0; i < images; i++) count += mask[i / 64] >> (i % 64) & 1;
  return count;
}

/* Queries with a positive by the evaluator's own count, over all trials in one pass. */
static void expect_valid(const xr_trials *t, int64_t valid) {
  const size_t q = t->query_image_count, g = t->gallery_image_count;
  int64_t *ids = malloc(2 * (q + g) * sizeof *ids), *cameras = ids + q + g;
  float *features = malloc((q + g) * sizeof *features);
  for (size_t i = 0; i < q + g; i++) {
    const xr_image_record *image = i < q ? &t->query_images[i] : &t->gallery_images[i - q];
    ids[i] = image->pid;
    cameras[i] = image->camera;
    features[i] = (float)((i * 7919) % 1009 + 1);
  }
  const xr_evaluation_input in = {.queries = (int64_t)q,
                                  .gallery = (int64_t)g,
                                  .rule = {.metric = XR_DOT},
                                  .query_features = {.data = features, .dtype = XR_F32},
                                  .gallery_features = {.data = features + q, .dtype = XR_F32},
                                  .width = 1,
                                  .query_ids = ids,
                                  .gallery_ids = ids + q,
                                  .query_cameras = cameras,
                                  .gallery_cameras = cameras + q};
  const xr_evaluation_options how = {.protocol = xr_protocol_find("sysu-mm01")};
  xr_trial parts[XR_MAX_TRIALS];
  xr_evaluation results[XR_MAX_TRIALS];
  for (int i = 0; i < t->count; i++) parts[i] = (xr_trial){.gallery = t->trial[i].gallery_mask, .queries = t->trial[i].query_mask};
  cr_assert(xr_evaluate_trials(&in, &how, parts, (size_t)t->count, results) == XR_OK, "%s", xr_message());
  for (int i = 0; i < t->count; i++) {
    cr_assert_eq(results[i].valid, valid, "trial %d: %d valid queries", i, (int)results[i].valid);
    cr_assert_eq(results[i].queries, (int64_t)q);
    cr_assert_eq(results[i].gallery, (int64_t)t->trial[i].gallery_count);
    xr_evaluation_free(&results[i]);
  }
  free(ids);
  free(features);
}

static const char *item(const xr_trials *t, int trial, size_t i) {
  return tree_name(&files, &t->gallery_images[t->trial[trial].gallery[i]]);
}

/* Sizes of all ten galleries; how much of them a query of camera 3 sees. */
static void expect_galleries(const xr_dataset *d, xr_search_mode mode, int shots, size_t size, size_t seen_by_3) {
  for (xr_gallery_draw draw = 0; draw < XR_GALLERY_DRAWS; draw++) {
    xr_trials t = make(d, (xr_trials_options){.mode = mode, .shots = shots, .draw = draw});
    cr_assert_eq(t.count, 10);
    cr_assert_eq(t.query_image_count, 3803);
    for (int i = 0; i < 10; i++) {
      const xr_trial_lists *one = &t.trial[i];
      cr_assert(one->number == i && one->query_count == 3803 && one->gallery_count == size, "%zu", one->gallery_count);
      cr_assert_eq(bits_of(one->gallery_mask, t.gallery_image_count), size, "an image is there twice");
      size_t seen = 0;
      for (size_t k = 0; k < size; k++) seen += t.gallery_images[one->gallery[k]].camera != 2;
      cr_assert_eq(seen, seen_by_3, "%zu", seen);
    }
    if (draw == XR_DRAW_OFFICIAL) { /* turned by t, person 6 has 42 images by camera 1 */
      cr_assert_str_eq(item(&t, 0, 0), "cam1/0006/0001.jpg");
      cr_assert_str_eq(item(&t, 9, 0), "cam1/0006/0010.jpg");
      if (shots == 10) cr_assert_str_eq(item(&t, 4, 9), "cam1/0006/0014.jpg");
    }
    xr_trials_free(&t);
  }
}

Test(sysu_mm01, counts_of_the_release, .timeout = 250) {
  static person persons[MAX_ID + 1];
  read_counts(persons);
  write_tree(persons, MAX_ID);
  write_permutations(&files, persons, MAX_ID);
  xr_dataset_problems problems = {0};
  xr_dataset *d;
  const xr_dataset_options check = {.problems = &problems};
  cr_assert(xr_dataset_check(&d, "sysu-mm01", files.root, &check) == XR_OK, "%s", xr_message());
  cr_assert_eq(problems.count, 0, "%s", problems.list[0].text);
  expect_counts(&d->splits[XR_SPLIT_TRAIN], 395, 22258, 11909);
  expect_counts(&d->splits[XR_SPLIT_TEST], 96, 6775, 3803);
  cr_assert(d->infrared && d->identities == 395 && d->splits[XR_SPLIT_VAL].image_count == 0);
  cr_assert(xr_dataset_label(d, 1) == 0 && xr_dataset_label(d, 533) == 394 && xr_dataset_label(d, 6) == -1);

  expect_galleries(d, XR_SEARCH_ALL, 1, 301, 245);
  expect_galleries(d, XR_SEARCH_INDOOR, 1, 112, 56);
  expect_galleries(d, XR_SEARCH_ALL, 10, 3010, 2450);
  expect_galleries(d, XR_SEARCH_INDOOR, 10, 1120, 560);
  xr_trials t = make(d, (xr_trials_options){0});
  static const char *const first[] = {"cam1/0006/0025.jpg", "cam2/0006/0025.jpg", "cam4/0006/0014.jpg", "cam5/0006/0002.jpg",
                                      "cam1/0010/0017.jpg"};
  for (size_t i = 0; i < 5; i++) cr_assert_str_eq(item(&t, 0, i), first[i]);
  const xr_image_record *query = t.query_images;
  cr_assert_str_eq(tree_name(&files, &query[t.trial[3].query[0]]), "cam3/0006/0001.jpg");
  for (size_t i = 1; i < 3803; i++)
    cr_assert(query[i - 1].pid < query[i].pid || (query[i - 1].pid == query[i].pid && strcmp(query[i - 1].path, query[i].path) < 0));
  expect_valid(&t, 3803);
  xr_trials_free(&t);
  t = make(d, (xr_trials_options){.mode = XR_SEARCH_INDOOR});
  expect_valid(&t, 2208);
  cr_assert_str_eq(t.label, "indoor-search, single-shot, galleries drawn as in AGW's code");
  xr_trials_free(&t);
  xr_dataset_free(d);

  d = open_tree(&(xr_dataset_options){.official_val = true});
  expect_counts(&d->splits[XR_SPLIT_TRAIN], 296, 20284, 9929);
  expect_counts(&d->splits[XR_SPLIT_VAL], 99, 1974, 1980);
  xr_dataset_free(d);
  tree_remove(&files, "exp/val_id.txt"); /* the 99 are found without it */
  problems = (xr_dataset_problems){0};
  d = open_tree(&(xr_dataset_options){.official_val = true, .problems = &problems});
  expect_problem(&problems, "derived-val", false, 99, "there is no val_id; taken are the 99 persons");
  cr_assert_eq(problems.count, 1);
  expect_counts(&d->splits[XR_SPLIT_VAL], 99, 1974, 1980);
  xr_dataset_free(d);
}

/* ---- a small set: 1, 3 train, 4 val, 5, 7 test; nobody of val was seen by camera 1; 7 was seen outdoors alone */
static const person few[8] = {[1] = {'r', {2, 1, 1, 0, 0, 1}},
                              [3] = {'r', {0, 1, 2, 2, 0, 0}},
                              [4] = {'v', {0, 0, 2, 3, 0, 0}},
                              [5] = {'e', {12, 2, 2, 2, 2, 3}},
                              [7] = {'e', {0, 0, 0, 2, 0, 1}}};

Test(sysu_mm01, order_and_labels) {
  write_tree(few, 7);
  xr_dataset *d = open_tree(NULL);
  static const char *const train[] = {"cam1/0001/0001.jpg", "cam1/0001/0002.jpg", "cam2/0001/0001.jpg", "cam2/0003/0001.jpg",
                                      "cam4/0003/0001.jpg", "cam4/0003/0002.jpg", "cam4/0004/0001.jpg", "cam4/0004/0002.jpg",
                                      "cam4/0004/0003.jpg", "cam3/0001/0001.jpg", "cam6/0001/0001.jpg", "cam3/0003/0001.jpg",
                                      "cam3/0003/0002.jpg", "cam3/0004/0001.jpg", "cam3/0004/0002.jpg"};
  const xr_split *split = &d->splits[XR_SPLIT_TRAIN];
  cr_assert_eq(split->image_count, 15);
  cr_assert_eq(split->visible_count, 9);
  for (size_t i = 0; i < 15; i++) cr_assert_str_eq(tree_name(&files, &split->images[i]), train[i]);
  cr_assert(d->identities == 3 && xr_dataset_label(d, 3) == 1 && xr_dataset_label(d, 4) == 2);
  cr_assert_eq(split->images[4].camera, 4);
  xr_dataset_free(d);
  /* a share of the training persons as val, where val_id is not kept apart */
  d = open_tree(&(xr_dataset_options){.val_holdout = 0.3});
  cr_assert_eq(d->identities, 2);
  cr_assert_eq(d->splits[XR_SPLIT_VAL].images[0].pid, 3);
  cr_assert_eq(d->splits[XR_SPLIT_VAL].visible_count, 3);
  cr_assert_eq(d->splits[XR_SPLIT_TRAIN].visible_count, 6);
  xr_trials t;
  cr_assert(xr_trials_make(&t, d, XR_SPLIT_VAL, NULL) == XR_OK, "%s", xr_message());
  cr_assert_eq(t.trial[0].gallery_count, 2);
  xr_trials_free(&t);
  xr_dataset_free(d);
}

Test(sysu_mm01, few_images_and_sample_of_ten) {
  write_tree(few, 7);
  xr_dataset *d = open_tree(NULL);
  xr_trials t = make(d, (xr_trials_options){.shots = 10});
  cr_assert_eq(t.trial[0].gallery_count, 10 + 2 + 2 + 2 + 2);
  static const int sample[10] = {6, 11, 0, 4, 7, 3, 2, 10, 5, 8}; /* random.seed(0); random.sample(range(12), 10) */
  for (size_t i = 0; i < 10; i++) cr_assert_eq(t.trial[0].gallery[i], sample[i]);
  xr_trials_free(&t);
  xr_dataset_free(d);
}

Test(sysu_mm01, ids_from_mat_files) {
  char path[300];
  write_tree(few, 7);
  tree_remove(&files, "exp/train_id.txt");
  snprintf(path, sizeof path, "%s/exp/train_id.mat", files.root);
  mat_write(path, mat_matrix("id", 1, 2, (double[]){3, 1}));
  xr_dataset *d = open_tree(NULL);
  cr_assert(d->identities == 3 && d->label_pid[0] == 1);
  xr_dataset_free(d);
}

static void refused(xr_status status, const char *part) {
  xr_dataset *d;
  cr_assert_eq(xr_dataset_open(&d, "sysu-mm01", files.root, NULL), status, "%s", xr_message());
  cr_assert_null(d);
  expect_message(part);
}

Test(sysu_mm01, folders_that_cannot_be_used) {
  refused(XR_NOT_FOUND, "holds none of the folders cam1 .. cam6");
  tree_folder(&files, "ori_data/cam1");
  refused(XR_NOT_FOUND, "give that folder, ");
  write_tree(few, 7);
  tree_remove(&files, "cam3");
  refused(XR_NOT_FOUND, "1 camera folders are missing: ");
  expect_message("/cam3");
  tree_folder(&files, "cam3");
  refused(XR_BAD_INPUT, "id 3 has no infrared image, id 4 has no infrared image");
  tree_remove(&files, "cam4/0007");
  tree_remove(&files, "cam6/0007");
  refused(XR_NOT_FOUND, "exp/test_id.txt: 1 persons have no image: id 7");
}

Test(sysu_mm01, lists_of_ids_that_cannot_be_used) {
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"1,3\n5,b7\n", "exp/train_id.txt: line 2: 'b7' is no id"},
      {"1,1", "id 1 stands there twice"},
      {"0,1", "id 0 is not in 1 .. 9999"},
      {"1,-3", "'-3' is no id"},
      {"  \n", "holds no ids"},
      {"1,10000", "id 10000 is not in"},
      {"1,4", "both hold id 4"},
      {"1,3,99999999999", "is no id"},
  };
  write_tree(few, 7);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    scratch_text(&files, "exp/train_id.txt", cases[i].text);
    refused(XR_BAD_INPUT, cases[i].message);
  }
  scratch_write(&files, "exp/train_id.txt", "1\0,3", 4);
  refused(XR_BAD_INPUT, "this is no text file");
  tree_remove(&files, "exp/train_id.txt");
  refused(XR_NOT_FOUND, "there is neither train_id.txt nor train_id.mat");
  scratch_text(&files, "exp/train_id.mat", "x");
  refused(XR_BAD_INPUT, "no MATLAB file");
}

/* What is wrong is reported together, every file by itself. */
static int reported;
static void note(void *context, const char *kind, const char *file) {
  (void)context;
  reported += (!strcmp(kind, "odd-names") && (strstr(file, "cam1/0001/a.jpg") || strstr(file, "cam1/0001/00.01.jpg"))) ||
              (!strcmp(kind, "unreadable-images") && strstr(file, "cam2/0005/0009.jpg"));
}

Test(sysu_mm01, check_reports_everything) {
  write_tree(few, 7);
  tree_picture(&files, "cam1/0001/a.jpg");
  tree_picture(&files, "cam1/0001/00.01.jpg");
  scratch_text(&files, "cam1/0001/Thumbs.db", "x");
  tree_picture(&files, "cam5/7/0001.jpg");
  scratch_text(&files, "cam1/0001/.hidden.jpg", "x");
  scratch_text(&files, "cam2/0005/0009.jpg", "x");
  tree_remove(&files, "cam3/0003");
  xr_dataset_problems problems = {.each_file = note};
  xr_dataset *d;
  cr_assert_eq(xr_dataset_check(&d, "sysu-mm01", files.root, &(xr_dataset_options){.problems = &problems, .decode = true}), XR_OK);
  expect_problem(&problems, "odd-names", true, 2, "names that do not fit <number>.jpg");
  expect_problem(&problems, "unreadable-images", true, 1, "cam2/0005/0009.jpg");
  expect_problem(&problems, "unpaired-identities", true, 1, "id 3 has no infrared image");
  expect_problem(&problems, "counts", false, 2,
                 "identities, visible and infrared images are not those of the official release: train 3, 9, 4 "
                 "instead of 395, 22258, 11909; test 2, ");
  expect_problem(&problems, "odd-folders", true, 1, "/cam5/7. Give them");
  expect_problem(&problems, "official-draw", false, 1, "rand_perm_cam.mat: there is no such file");
  expect_problem(&problems, "numbering", false, 1, "cam2/0005/0009.jpg"); /* behind 0001 and 0002 */
  cr_assert(reported == 3 && problems.count == 7 && problems.errors == 4, "%d, %zu", reported, problems.count);
  xr_dataset_free(d);
}

static void no_trials(const xr_dataset *d, xr_trials_options options, xr_status status, const char *part) {
  xr_trials t;
  cr_assert_eq(xr_trials_make(&t, d, XR_SPLIT_TEST, &options), status, "%s", xr_message());
  cr_assert_null(t.arena);
  expect_message(part);
}

Test(sysu_mm01, trials_that_cannot_be_made) {
  write_tree(few, 7);
  xr_dataset *d = open_tree(NULL);
  no_trials(d, (xr_trials_options){.direction = XR_VISIBLE_TO_INFRARED}, XR_BAD_INPUT, "sysu-mm01 has no direction visible-to-infrared");
  no_trials(d, (xr_trials_options){.shots = 5}, XR_BAD_INPUT, "shots is 1 or 10");
  const xr_trials_options official = {.draw = XR_DRAW_OFFICIAL};
  no_trials(d, official, XR_NOT_FOUND, "exp/rand_perm_cam.mat: there is no such file");
  char path[300];
  snprintf(path, sizeof path, "%s/exp/rand_perm_cam.mat", files.root);
  mat_write(path, mat_matrix("rand_perm_cam", 2, 2, (double[]){1, 2, 3, 4}));
  no_trials(d, official, XR_BAD_INPUT, "rand_perm_cam is a matrix [2, 2]; it must be a cell array [6, 1]");
  person other[8];
  memcpy(other, few, sizeof other);
  other[5].count[0] = 11;
  write_permutations(&files, other, 7);
  no_trials(d, official, XR_BAD_INPUT, "counts 11 images of person 5 by camera 1, the folder holds 12");
  xr_dataset_problems problems = {0};
  xr_dataset *checked;
  cr_assert_eq(xr_dataset_check(&checked, "sysu-mm01", files.root, &(xr_dataset_options){.problems = &problems}), XR_OK);
  expect_problem(&problems, "official-draw", true, 1, "counts 11 images of person 5");
  xr_dataset_free(checked);
  write_permutations(&files, few, 6);
  no_trials(d, official, XR_BAD_INPUT, "counts 0 images of person 7 by camera 4, the folder holds 2");
  write_permutations(&files, few, 7);
  xr_trials t = make(d, official);
  cr_assert_str_eq(item(&t, 2, 0), "cam1/0005/0003.jpg");
  xr_trials_free(&t);
  xr_dataset_free(d);
}
