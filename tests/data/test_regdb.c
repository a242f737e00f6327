#include "host/data/trials.h"
#include "tests/data/visible_infrared.h"

enum { PERSONS = 4, IMAGES = 3 };

static scratch files;

/* "Visible/3/male_back_v_00031_3.bmp" */
static const char *name_of(char *text, size_t size, bool thermal, int person, int number) {
  snprintf(text, size, "%s/%d/male_back_%c_%04d%d_%d.bmp", thermal ? "Thermal" : "Visible", person, thermal ? 't' : 'v', person, number,
           person);
  return text;
}

/* Label l is persons[l]. */
static void write_list(const char *file, bool thermal, const int *persons, int count) {
  char text[2000] = "", name[100], *at = text;
  for (int l = 0; l < count; l++)
    for (int k = 1; k <= IMAGES; k++) at += sprintf(at, "%s %d\n", name_of(name, sizeof name, thermal, persons[l], k), l);
  scratch_text(&files, file, text);
}

/* Trial t trains on persons t and t + 1 (of 4, from 1; the larger first), and tests on the others. */
static void write_trial(int t) {
  const int a = (t - 1) % PERSONS + 1, b = t % PERSONS + 1, c = (t + 1) % PERSONS + 1, e = (t + 2) % PERSONS + 1;
  const int train[2] = {a > b ? a : b, a > b ? b : a}, test[2] = {c, e};
  for (int m = 0; m < 2; m++) {
    char file[100];
    snprintf(file, sizeof file, "idx/train_%s_%d.txt", m ? "thermal" : "visible", t);
    write_list(file, m, train, 2);
    snprintf(file, sizeof file, "idx/test_%s_%d.txt", m ? "thermal" : "visible", t);
    write_list(file, m, test, 2);
  }
}

static void begin(void) {
  char name[100];
  files = scratch_new();
  tree_start(&files);
  for (int person = 1; person <= PERSONS; person++)
    for (int k = 1; k <= IMAGES; k++) {
      tree_picture(&files, name_of(name, sizeof name, false, person, k));
      tree_picture(&files, name_of(name, sizeof name, true, person, k));
    }
  for (int t = 1; t <= 10; t++) write_trial(t);
}
static void end(void) { scratch_remove(&files); }
TestSuite(regdb, .init = begin, .fini = end);

static xr_dataset *open_trial(int trial) {
  xr_dataset *d;
  cr_assert(xr_dataset_open(&d, "regdb", files.root, &(xr_dataset_options){.trial = trial}) == XR_OK, "%s", xr_message());
  return d;
}

Test(regdb, the_lists_of_a_trial) {
  xr_dataset *d = open_trial(0);
  const xr_split *train = &d->splits[XR_SPLIT_TRAIN], *test = &d->splits[XR_SPLIT_TEST];
  cr_assert(d->trial == 1 && d->infrared && d->identities == 2);
  cr_assert(train->image_count == 12 && train->visible_count == 6 && test->image_count == 12 && test->visible_count == 6);
  /* labels are the lists', in train and test each from 0; the order is the lists' */
  cr_assert_str_eq(tree_name(&files, &train->images[0]), "Visible/2/male_back_v_00021_2.bmp");
  cr_assert_str_eq(tree_name(&files, &train->images[11]), "Thermal/1/male_back_t_00013_1.bmp");
  cr_assert(train->images[0].pid == 0 && xr_dataset_label(d, 0) == 0 && train->images[11].pid == 1);
  cr_assert(test->images[0].pid == 0 && test->images[5].pid == 1 && test->images[0].camera == -1);
  cr_assert(test->images[5].modality == XR_MODALITY_VISIBLE && test->images[6].modality == XR_MODALITY_INFRARED);
  xr_dataset_free(d);
  d = open_trial(10);
  cr_assert_eq(d->trial, 10);
  cr_assert_str_eq(tree_name(&files, &d->splits[XR_SPLIT_TEST].images[0]), "Visible/4/male_back_v_00041_4.bmp");
  xr_dataset_free(d);
}

Test(regdb, both_directions) {
  xr_dataset *d = open_trial(3);
  xr_trials t;
  for (xr_direction direction = XR_DIRECTION_USUAL; direction <= XR_VISIBLE_TO_INFRARED; direction++) {
    cr_assert(xr_trials_make(&t, d, XR_SPLIT_TEST, &(xr_trials_options){.direction = direction}) == XR_OK, "%s", xr_message());
    const bool thermal = direction == XR_INFRARED_TO_VISIBLE; /* the usual one is visible to thermal */
    cr_assert(t.count == 1 && t.trial[0].number == 3 && t.trial[0].query_count == 6 && t.trial[0].gallery_count == 6);
    cr_assert(!t.trial[0].query_mask && !t.trial[0].gallery_mask);
    cr_assert_eq(t.query_images[0].modality, thermal ? XR_MODALITY_INFRARED : XR_MODALITY_VISIBLE);
    cr_assert_eq(t.gallery_images[0].modality, thermal ? XR_MODALITY_VISIBLE : XR_MODALITY_INFRARED);
    cr_assert_str_eq(t.label, thermal ? "thermal to visible" : "visible to thermal");
    for (int i = 0; i < 6; i++) cr_assert(t.trial[0].query[i] == i && t.trial[0].gallery[i] == i);
    xr_trials_free(&t);
  }
  static const struct {
    xr_trials_options options;
    const char *message;
  } cases[] = {{{.mode = XR_SEARCH_INDOOR}, "regdb has no indoor search"},
               {{.shots = 10}, "shots is 1"},
               {{.draw = XR_DRAW_OFFICIAL}, "no drawn galleries"},
               {{.direction = XR_VISIBLE_TO_INFRARED_TRANSPOSED}, "no direction visible-to-infrared-transposed"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cr_assert_eq(xr_trials_make(&t, d, XR_SPLIT_TEST, &cases[i].options), XR_BAD_INPUT);
    expect_message(cases[i].message);
  }
  xr_dataset_free(d);
}

static void refused(const xr_dataset_options *options, xr_status status, const char *part) {
  xr_dataset *d;
  cr_assert_eq(xr_dataset_open(&d, "regdb", files.root, options), status, "%s", xr_message());
  cr_assert_null(d);
  expect_message(part);
}

Test(regdb, lists_that_cannot_be_used) {
  refused(&(xr_dataset_options){.trial = 11}, XR_BAD_INPUT, "regdb has no trial 11: they are 1 to 10");
  refused(&(xr_dataset_options){.splits = 1u << XR_SPLIT_VAL}, XR_BAD_INPUT, "no record of the val split: the data set has none");
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"Visible/1/male_back_v_00011_1.bmp 0\nVisible/1/male_back_v_00012_1.bmp\n",
       "train_visible_1.txt: line 2: 'Visible/1/male_back_v_00012_1.bmp' is not a path"},
      {"Visible/1/male_back_v_00011_1.bmp x\n", "line 1: "},
      {"Visible/1/male_back_v_00011_1.bmp -1\n", "line 1: "},
      {"Visible/1/male_back_v_00011_1.bmp 1a\n", "line 1: "},
      {" 1\n", "line 1: "},
      {"Visible/1/male_back_v_00011_2.bmp 0\n",
       "1 paths are not of the form Visible/<id>/.._v_.._<id>.bmp or Thermal/<id>/.._t_.._<id>.bmp: Visible/1/male_back_v_00011_2.bmp "
       "(train_visible_1.txt, line 1)"},
      {"Thermal/1/male_back_t_00011_1.bmp 0\n", "1 paths are not of the form"},
      {"/Visible/1/male_back_v_00011_1.bmp 0\n", "1 paths are not of the form"},
      {"Visible/1/male_back_v_00011_1.bmp 0\n\nVisible/2/male_back_v_00021_2.bmp 0\n",
       "Visible/2/male_back_v_00021_2.bmp as 0 (train_visible_1.txt, line 3), but 0 is the label of person 1"},
      {"Visible/2/male_back_v_00021_2.bmp 0\nVisible/1/male_back_v_00011_1.bmp 0\n",
       "labels contradict others: Visible/1/male_back_v_00011_1.bmp as 0"},
      {"Visible/2/male_back_v_00021_2.bmp 0\n", "id 1 has no visible image"},
      {"Visible/2/male_back_v_00021_2.bmp 0\nVisible/3/male_back_v_00031_3.bmp 1\n",
       "as 1 (train_thermal_1.txt, line 4), but 1 is the label"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    scratch_text(&files, "idx/train_visible_1.txt", cases[i].text);
    refused(NULL, XR_BAD_INPUT, cases[i].message);
  }
  scratch_text(&files, "idx/train_visible_1.txt", "Visible/2/male_back_v_00021_2.bmp 0\nVisible/2/male_back_v_00029_2.bmp 0\n");
  refused(NULL, XR_NOT_FOUND, "1 images are missing: Visible/2/male_back_v_00029_2.bmp (train_visible_1.txt, line 2)");
  tree_remove(&files, "idx/train_visible_1.txt");
  refused(NULL, XR_NOT_FOUND, "idx/train_visible_1.txt: there is no such file");
  tree_remove(&files, "idx");
  refused(NULL, XR_NOT_FOUND, "/idx: there is no such folder");
}

Test(regdb, windows_line_ends_and_no_last_one) {
  scratch_text(&files, "idx/train_visible_1.txt", "Visible/2/male_back_v_00021_2.bmp 0\r\nVisible/1/male_back_v_00011_1.bmp 1 \r\n\r\n");
  scratch_text(&files, "idx/train_thermal_1.txt", "Thermal/2/male_back_t_00021_2.bmp 0\nThermal//1/male_back_t_00011_1.bmp 1");
  xr_dataset *d;
  cr_assert_eq(xr_dataset_open(&d, "regdb", files.root, NULL), XR_BAD_INPUT);
  expect_message("(train_thermal_1.txt, line 2)"); /* a doubled slash inside is no official path */
  scratch_text(&files, "idx/train_thermal_1.txt", "Thermal/2/male_back_t_00021_2.bmp 0\nThermal/1/male_back_t_00011_1.bmp 1");
  d = open_trial(1);
  cr_assert_eq(d->splits[XR_SPLIT_TRAIN].image_count, 4);
  xr_dataset_free(d);
}

static int reported;
static void note(void *context, const char *kind, const char *file) {
  (void)context;
  reported += !strcmp(kind, "missing-images") && strstr(file, "_3.bmp") != NULL;
}

/* Every trial is looked at; each names the images that its lists miss. */
Test(regdb, check_looks_at_all_trials) {
  tree_remove(&files, "Thermal/3");
  tree_remove(&files, "idx/test_thermal_7.txt");
  scratch_text(&files, "Visible/4/male_back_v_00041_4.bmp", "BM");
  xr_dataset_problems problems = {.each_file = note};
  xr_dataset *d;
  cr_assert_eq(xr_dataset_check(&d, "regdb", files.root, &(xr_dataset_options){.problems = &problems, .decode = true}), XR_NOT_FOUND);
  cr_assert(d && d->trial == 1);
  expect_problem(&problems, "missing-images", true, 3, "Thermal/3/male_back_t_00031_3.bmp (test_thermal_1.txt, line 1)");
  expect_problem(&problems, "unreadable-images", true, 1, "male_back_v_00041_4.bmp");
  expect_problem(&problems, "counts", false, 2, "train 2, 6, 6 instead of 206, 2060, 2060; test 2, 6, 3 instead of");
  expect_problem(&problems, "unreadable", true, 1, "idx/test_thermal_7.txt: there is no such file");
  cr_assert_eq(find_problem(&problems, "shared-identities"), NULL, "numbers of train and test have nothing to do with each other");
  cr_assert_eq(reported, 30, "%d", reported); /* person 3 is in every trial, to train or to test on */
  xr_dataset_free(d);
}

Test(regdb, a_person_in_train_and_test) {
  const int both[2] = {2, 3};
  write_list("idx/test_visible_1.txt", false, both, 2);
  write_list("idx/test_thermal_1.txt", true, both, 2);
  refused(NULL, XR_BAD_INPUT, "1 persons are in train and in test: person 2");
  xr_dataset *d; /* who only evaluates does not see it */
  cr_assert_eq(xr_dataset_open(&d, "regdb", files.root, &(xr_dataset_options){.splits = 1u << XR_SPLIT_TEST}), XR_OK);
  xr_dataset_free(d);
}
