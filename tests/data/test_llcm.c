#include "host/data/trials.h"
#include "tests/data/visible_infrared.h"

static scratch files;
static char root[200]; /* its name holds "cam" */

/* Training persons 11, 12, 15 with labels 2, 1, 0; test persons 3 and 20. */
static const char train_vis[] = "vis/0011/0011_c01_s185535_f7010_vis.jpg 2\nvis/0011/0011_c04_s185535_f7010_vis.jpg 2\n"
                                "vis/0012/0012_c09_s185535_f7010_vis.jpg 1\nvis/0015/0015_c02_s185535_f7010_vis.jpg 0\n";
static const char train_nir[] = "nir/0015/0015_c02_s185535_f7010_nir.jpg 0\nnir/0012/0012_c05_s185535_f7010_nir.jpg 1\n"
                                "nir/0011/0011_c01_s185535_f7010_nir.jpg 2\n";
static const char *const test_images[] = {
    "test_vis/cam1/0003/0003_c01_s1_f2_vis.jpg", "test_vis/cam1/0003/0003_c01_s1_f3_vis.jpg", "test_vis/cam3/0003/0003_c03_s1_f1_vis.jpg",
    "test_vis/cam2/0020/0020_c02_s1_f1_vis.jpg", "test_vis/cam2/0020/0020_c02_s1_f2_vis.jpg", "test_nir/cam1/0003/0003_c01_s1_f1_nir.jpg",
    "test_nir/cam4/0003/0003_c04_s1_f1_nir.jpg", "test_nir/cam4/0003/0003_c04_s1_f2_nir.jpg", "test_nir/cam2/0020/0020_c02_s1_f1_nir.jpg"};
enum { TEST_IMAGES = sizeof test_images / sizeof *test_images, TEST_VISIBLE = 5 };

static void picture(const char *below) {
  char name[200];
  snprintf(name, sizeof name, "cam_data/%s", below);
  tree_picture(&files, name);
}

static void text(const char *below, const char *content) {
  char name[200];
  snprintf(name, sizeof name, "cam_data/%s", below);
  scratch_text(&files, name, content);
}

static void listed_pictures(const char *list) {
  for (const char *line = list; *line; line = strchr(line, '\n') + 1) {
    char name[100];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(line, " "), line);
    picture(name);
  }
}

static void begin(void) {
  files = scratch_new();
  tree_start(&files);
  snprintf(root, sizeof root, "%s/cam_data", files.root);
  listed_pictures(train_vis);
  listed_pictures(train_nir);
  for (size_t i = 0; i < TEST_IMAGES; i++) picture(test_images[i]);
  for (int camera = 1; camera <= 9; camera++) {
    char name[100];
    snprintf(name, sizeof name, "cam_data/test_vis/cam%d", camera);
    tree_folder(&files, name);
    snprintf(name, sizeof name, "cam_data/test_nir/cam%d", camera); /* 3 is empty */
    tree_folder(&files, name);
  }
  text("idx/train_vis.txt", train_vis);
  text("idx/train_nir.txt", train_nir);
  text("idx/test_id.txt", "20,3\n");
}
static void end(void) { scratch_remove(&files); }
TestSuite(llcm, .init = begin, .fini = end);

static xr_dataset *open_set(void) {
  xr_dataset *d;
  cr_assert(xr_dataset_open(&d, "llcm", root, NULL) == XR_OK, "%s", xr_message());
  return d;
}

static const char *below(const xr_image_record *image) { return image->path + strlen(root) + 1; }

Test(llcm, splits) {
  xr_dataset *d = open_set();
  const xr_split *train = &d->splits[XR_SPLIT_TRAIN], *test = &d->splits[XR_SPLIT_TEST];
  cr_assert(train->image_count == 7 && train->visible_count == 4 && d->identities == 3);
  cr_assert_str_eq(below(&train->images[2]), "vis/0012/0012_c09_s185535_f7010_vis.jpg");
  cr_assert(train->images[2].camera == 9 && train->images[2].pid == 1 && xr_dataset_label(d, 1) == 1);
  cr_assert(train->images[4].pid == 0 && train->images[4].modality == XR_MODALITY_INFRARED);
  cr_assert(test->image_count == TEST_IMAGES && test->visible_count == TEST_VISIBLE);
  for (size_t i = 0; i < TEST_IMAGES; i++) cr_assert_str_eq(below(&test->images[i]), test_images[i]);
  cr_assert(test->images[0].pid == 3 && test->images[0].camera == 1 && test->images[8].pid == 20 && test->images[6].camera == 4);
  xr_dataset_free(d);
}

Test(llcm, labels_with_gaps_become_dense) {
  text("idx/train_vis.txt", "vis/0011/0011_c01_s185535_f7010_vis.jpg 700\nvis/0012/0012_c09_s185535_f7010_vis.jpg 5\n");
  text("idx/train_nir.txt", "nir/0011/0011_c01_s185535_f7010_nir.jpg 700\nnir/0012/0012_c05_s185535_f7010_nir.jpg 5\n");
  xr_dataset *d = open_set();
  cr_assert(d->identities == 2 && xr_dataset_label(d, 5) == 0 && xr_dataset_label(d, 700) == 1 && xr_dataset_label(d, 0) == -1);
  xr_dataset_free(d);
}

static void expect_trial(const xr_trials *t, int trial, const int *query, size_t queries, const int *gallery, size_t items) {
  const xr_trial_lists *one = &t->trial[trial];
  cr_assert(one->query_count == queries && one->gallery_count == items, "%zu, %zu", one->query_count, one->gallery_count);
  for (size_t i = 0; i < queries; i++) cr_assert_eq(one->query[i], query[i], "trial %d, query %zu: %d", trial, i, one->query[i]);
  for (size_t i = 0; i < items; i++) cr_assert_eq(one->gallery[i], gallery[i], "trial %d, item %zu: %d", trial, i, one->gallery[i]);
}

/* Galleries are random.choice of lists of 2, 1, 2 (visible) and of 1, 2, 1 (infrared) images: Python 3. */
Test(llcm, directions) {
  static const int all[TEST_IMAGES] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, ones = 3;
  static const int drawn_visible[3][3] = {{1, 2, 3}, {0, 2, 4}, {0, 2, 3}}, drawn_infrared[3][3] = {{0, 2, 3}, {0, 1, 3}, {0, 1, 3}};
  xr_dataset *d = open_set();
  xr_trials t;
  for (xr_direction direction = XR_DIRECTION_USUAL; direction < XR_DIRECTIONS; direction++) {
    cr_assert(xr_trials_make(&t, d, XR_SPLIT_TEST, &(xr_trials_options){.direction = direction}) == XR_OK, "%s", xr_message());
    cr_assert_eq(t.count, 10);
    for (int i = 0; i < 3; i++) {
      if (direction <= XR_INFRARED_TO_VISIBLE) expect_trial(&t, i, all, 4, drawn_visible[i], ones);
      if (direction == XR_VISIBLE_TO_INFRARED) expect_trial(&t, i, all, 5, drawn_infrared[i], ones);
      if (direction == XR_VISIBLE_TO_INFRARED_TRANSPOSED) expect_trial(&t, i, drawn_infrared[i], ones, all, 5);
    }
    const bool transposed = direction == XR_VISIBLE_TO_INFRARED_TRANSPOSED;
    cr_assert(!t.trial[0].query_mask == !transposed && !t.trial[0].gallery_mask == transposed);
    cr_assert_eq(*(transposed ? t.trial[2].query_mask : t.trial[2].gallery_mask), direction <= XR_INFRARED_TO_VISIBLE ? 0xdu : 0xbu);
    xr_trials_free(&t);
  }
  cr_assert(xr_trials_make(&t, d, XR_SPLIT_TEST, &(xr_trials_options){.direction = XR_VISIBLE_TO_INFRARED_TRANSPOSED}) == XR_OK);
  cr_assert_str_eq(t.label, "visible to infrared, transposed as in the released test script");
  xr_trials_free(&t);
  xr_dataset_free(d);
}

static const xr_dataset_problem *check(xr_dataset_problems *problems, const char *kind) {
  xr_dataset *d;
  *problems = (xr_dataset_problems){0};
  cr_assert_eq(xr_dataset_check(&d, "llcm", root, &(xr_dataset_options){.problems = problems, .decode = true}), XR_OK, "%s", xr_message());
  xr_dataset_free(d);
  return find_problem(problems, kind);
}

Test(llcm, lists_of_test_images_are_held_against_the_folders) {
  xr_dataset_problems problems;
  cr_assert(!check(&problems, "missing-images") && problems.errors == 0, "%s", problems.list[0].text);
  text("idx/test_vis.txt", "test_vis/cam1/0003/0003_c01_s1_f2_vis.jpg 3\ntest_vis/cam1/0003/0003_c01_s1_f9_vis.jpg 3\n");
  cr_assert(check(&problems, "missing-images"));
  expect_problem(&problems, "missing-images", true, 1, "0003_c01_s1_f9_vis.jpg (test_vis.txt, line 2)");
  text("idx/test_vis.txt", "0003_c01_s1_f2_vis.jpg 3\n"); /* another form says nothing of the images */
  cr_assert(check(&problems, "odd-list") && !find_problem(&problems, "missing-images") && problems.errors == 0);
}

static void refused(xr_status status, const char *part) {
  xr_dataset *d;
  cr_assert_eq(xr_dataset_open(&d, "llcm", root, NULL), status, "%s", xr_message());
  cr_assert_null(d);
  expect_message(part);
}

Test(llcm, what_cannot_be_used) {
  picture("test_vis/cam1/0003/0004_c01_s1_f1_vis.jpg");
  refused(XR_BAD_INPUT, "1 pictures have names that do not fit <person>_c<camera>_.. of their folders: ");
  expect_message("test_vis/cam1/0003/0004_c01_s1_f1_vis.jpg");
  tree_remove(&files, "cam_data/test_vis/cam1/0003/0004_c01_s1_f1_vis.jpg");
  picture("test_vis/cam1/0003/0003_c02_s1_f1_vis.jpg");
  refused(XR_BAD_INPUT, "0003_c02_s1_f1_vis.jpg");
  tree_remove(&files, "cam_data/test_vis/cam1/0003/0003_c02_s1_f1_vis.jpg");
  text("idx/train_vis.txt", "nir/0011/0011_c01_s185535_f7010_nir.jpg 2\n");
  refused(XR_BAD_INPUT, "(train_vis.txt, line 1)");
  text("idx/train_vis.txt", "vis/0011/0012_c01_s185535_f7010_vis.jpg 2\n");
  refused(XR_BAD_INPUT, "1 paths are not of the form vis/<person>/");
  text("idx/train_vis.txt", train_vis);
  tree_remove(&files, "cam_data/test_nir/cam4");
  refused(XR_NOT_FOUND, "1 camera folders are missing: ");
  tree_folder(&files, "cam_data/test_nir/cam4");
  tree_remove(&files, "cam_data/test_nir/cam3"); /* nobody looks there */
  xr_dataset_free(open_set());
  text("idx/test_id.txt", "3,20,21");
  refused(XR_NOT_FOUND, "1 persons have no image: id 21");
  tree_remove(&files, "cam_data/idx/test_id.txt");
  refused(XR_NOT_FOUND, "there is neither test_id.txt nor test_id.mat");
}
