/* Feature indices on disk: what is written is read, a broken-off writer goes on, damage is found, search is exact. */
#include <criterion/criterion.h>
#include <math.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/random.h"
#include "host/eval/evaluate.h"
#include "host/eval/index.h"
#include "host/eval/search.h"
#include "tests/data/scratch.h"
#include "tests/support/threads.h"

enum { WIDTH = 5, ENTRIES = 11, SHARD = 4 };

static scratch home;
static char at[200]; /* the index */

static void begin(void) {
  home = scratch_new();
  snprintf(at, sizeof at, "%s/index", home.root);
  xr_log_threshold = XR_LOG_QUIET;
}
static void end(void) { scratch_remove(&home); }

TestSuite(index, .init = begin, .fini = end);

static xr_index_form form_of(xr_dtype storage, int64_t set_size) {
  return (xr_index_form){.model = {{"method", "irra"}, {"weights", "crc32 01234567"}},
                         .facts = 2,
                         .width = WIDTH,
                         .set_size = set_size,
                         .storage = storage,
                         .shard_entries = SHARD};
}

static const xr_index_list list = {.entries = ENTRIES, .checksum = 0x89abcdef};

/* Numbers that bf16 has to round. */
static float value(int64_t entry, int64_t place) { return (float)(entry * 100 + place) * 1.001f - 7; }
static bool is_skipped(int64_t entry) { return entry == 2 || (entry >= 4 && entry < 8); } /* the second shard has no row */

static xr_status add(xr_index_writer *writer, int64_t entry, int64_t set_size) {
  float features[WIDTH], sets[3 * WIDTH];
  char path[40];
  if (is_skipped(entry)) return xr_index_skip(writer);
  for (int64_t k = 0; k < WIDTH; k++) features[k] = value(entry, k);
  for (int64_t k = 0; k < set_size * WIDTH; k++) sets[k] = -value(entry, k);
  snprintf(path, sizeof path, "folder/%d ü.jpg", (int)entry);
  const xr_index_item item = {.path = path, .id = entry % 3 ? entry + ((int64_t)1 << 40) : -1, .camera = entry - 1, .modality = entry % 2};
  return xr_index_add(writer, features, set_size ? sets : NULL, &item);
}

/* Goes on to `last`; _exit()s there when it is not the end. */
static void write_until(const char *folder, const xr_index_form *form, int64_t last) {
  xr_index_writer *writer;
  cr_assert_eq(xr_index_writer_open(&writer, folder, form, &list), XR_OK, "%s", xr_message());
  for (int64_t i = xr_index_writer_entries(writer); i < last; i++) cr_assert_eq(add(writer, i, form->set_size), XR_OK, "%s", xr_message());
  if (last < ENTRIES) _exit(0);
  cr_assert_eq(xr_index_finish(writer), XR_OK, "%s", xr_message());
  xr_index_writer_free(writer);
}

static void expect_values(const void *stored, xr_dtype storage, int64_t first, int64_t count, int64_t entry, float sign) {
  for (int64_t k = 0; k < count; k++) {
    const float expected = sign * value(entry, k);
    if (storage == XR_F32)
      cr_assert_eq(((const float *)stored)[first + k], expected);
    else
      cr_assert_eq(((const xr_bf16 *)stored)[first + k], xr_f32_to_bf16(expected));
  }
}

static void expect_row(xr_index *index, const xr_index_shard *shard, int64_t row, int64_t entry) {
  const xr_index_form *form = xr_index_form_of(index);
  const int64_t i = row - shard->first, set = form->set_size * WIDTH;
  xr_index_item item;
  char path[40];
  expect_values(shard->features, form->storage, i * WIDTH, WIDTH, entry, 1);
  if (set) expect_values(shard->sets, form->storage, i * set, set, entry, -1);
  cr_assert_eq(xr_index_item_at(index, row, &item), XR_OK, "%s", xr_message());
  snprintf(path, sizeof path, "folder/%d ü.jpg", (int)entry);
  cr_expect_str_eq(item.path, path);
  cr_expect_eq(item.id, entry % 3 ? entry + ((int64_t)1 << 40) : -1);
  cr_expect_eq(item.camera, entry - 1);
  cr_expect_eq((int64_t)item.modality, entry % 2);
  cr_expect_eq(shard->ids[i], item.id);
  cr_expect_eq(shard->cameras[i], item.camera);
  cr_expect_eq(shard->modalities[i], item.modality);
}

Test(index, what_is_written_is_read) {
  for (int variant = 0; variant < 4; variant++) {
    const xr_index_form form = form_of(variant % 2 ? XR_BF16 : XR_F32, variant / 2 * 3);
    char folder[220];
    snprintf(folder, sizeof folder, "%s%d", at, variant);
    write_until(folder, &form, ENTRIES);
    xr_index *index;
    cr_assert_eq(xr_index_open(&index, folder), XR_OK, "%s", xr_message());
    cr_expect_eq(xr_index_rows(index), 6);
    cr_expect_eq(xr_index_skipped(index), 5);
    cr_expect_eq(xr_index_missing(index), 0);
    cr_assert_eq(xr_index_shards(index), 3);
    int64_t entry = 0, rows = 0;
    for (int64_t s = 0; s < 3; s++) {
      xr_index_shard shard;
      cr_assert_eq(xr_index_shard_at(index, s, &shard), XR_OK, "%s", xr_message());
      cr_expect_eq(shard.first, rows);
      for (int64_t i = 0; i < shard.rows; i++, rows++, entry++) {
        while (is_skipped(entry)) entry++;
        expect_row(index, &shard, rows, entry);
      }
      xr_index_forget(index, s); /* stays readable */
    }
    xr_index_item item;
    cr_expect_eq(xr_index_item_at(index, 6, &item), XR_BAD_ARGUMENT);
    cr_expect_eq(xr_index_item_at(index, -1, &item), XR_BAD_ARGUMENT);
    xr_index_close(index);
  }
}

static void expect_equal_folders(const char *a, const char *b) {
  char command[500];
  snprintf(command, sizeof command, "diff -r '%s' '%s'", a, b);
  cr_expect_eq(system(command), 0, "%s and %s differ", a, b);
}

Test(index, a_writer_that_is_broken_off_goes_on) {
  const xr_index_form form = form_of(XR_F32, 3);
  char whole[220];
  snprintf(whole, sizeof whole, "%s.whole", at);
  write_until(whole, &form, ENTRIES);
  for (int64_t last = 3; last <= 9; last += 3) { /* within each of the shards */
    const pid_t child = fork();
    if (!child) write_until(at, &form, last);
    int status;
    waitpid(child, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    xr_index *index;
    cr_assert_eq(xr_index_open(&index, at), XR_OK, "%s", xr_message());
    cr_expect_eq(xr_index_missing(index), ENTRIES - last / SHARD * SHARD);
    xr_index_close(index);
  }
  write_until(at, &form, ENTRIES);
  expect_equal_folders(whole, at);
  write_until(at, &form, ENTRIES); /* nothing is left to do */
  expect_equal_folders(whole, at);
}

static void expect_refused(const xr_index_form *form, const xr_index_list *other, const char *words) {
  xr_index_writer *writer;
  const xr_status status = xr_index_writer_open(&writer, at, form, other);
  cr_expect(status == XR_BAD_INPUT, "status %d instead of the words %s", status, words);
  cr_expect_null(writer);
  expect_message(words);
  expect_message(at);
}

Test(index, another_model_list_or_form_is_refused) {
  const xr_index_form form = form_of(XR_F32, 0);
  xr_index_form other = form;
  xr_index_list longer = list;
  write_until(at, &form, ENTRIES);
  other.model[1].value = "crc32 76543210";
  expect_refused(&other, &list, "another model: its weights: \"crc32 01234567\", here: \"crc32 76543210\"");
  other = form;
  other.facts = 1;
  expect_refused(&other, &list, "its weights: \"crc32 01234567\", here: \"not known\"");
  other = form;
  other.model[2] = (xr_index_fact){"precision", "bf16"};
  other.facts = 3;
  expect_refused(&other, &list, "its precision: \"not known\", here: \"bf16\"");
  other = form;
  other.width = 6;
  expect_refused(&other, &list, "features of 5 numbers");
  other = form;
  other.storage = XR_BF16;
  expect_refused(&other, &list, "storage f32, here it is bf16");
  other = form;
  other.shard_entries = 5;
  expect_refused(&other, &list, "shards of 4, here they are of 5");
  longer.entries = 12;
  expect_refused(&form, &longer, "other pictures: 11 then, 12 now");
  longer = list;
  longer.checksum++;
  expect_refused(&form, &longer, "other pictures");
  expect_refused(&form, NULL, "takes no others");
  xr_index *index;
  cr_assert_eq(xr_index_open(&index, at), XR_OK);
  cr_expect_eq(xr_index_check_model(index, form.model, 2), XR_OK);
  other = form;
  other.model[0].value = "cmsn";
  cr_expect_eq(xr_index_check_model(index, other.model, 2), XR_BAD_INPUT);
  expect_message("its method: \"irra\", here: \"cmsn\"");
  xr_index_close(index);
}

Test(index, one_writer_at_a_time) {
  const xr_index_form form = form_of(XR_F32, 0);
  xr_index_writer *first, *second;
  cr_assert_eq(xr_index_writer_open(&first, at, &form, &list), XR_OK, "%s", xr_message());
  cr_expect_eq(xr_index_writer_open(&second, at, &form, &list), XR_IO);
  expect_message("another process is writing");
  xr_index_writer_free(first);
  cr_expect_eq(xr_index_writer_open(&second, at, &form, &list), XR_OK, "%s", xr_message());
  xr_index_writer_free(second);
}

/* Without a list anyone appends at any time. */
Test(index, rows_are_appended_without_a_list) {
  xr_index_form form = form_of(XR_F32, 0);
  form.shard_entries = 0;
  for (int64_t round = 0; round < 3; round++) {
    xr_index_writer *writer;
    cr_assert_eq(xr_index_writer_open(&writer, at, &form, NULL), XR_OK, "%s", xr_message());
    cr_expect_eq(xr_index_writer_rows(writer), 2 * round);
    cr_expect_eq(xr_index_writer_shard_entries(writer), XR_INDEX_SHARD);
    for (int64_t i = 0; i < 2; i++) cr_assert_eq(add(writer, 8 + i, 0), XR_OK);
    cr_assert_eq(xr_index_finish(writer), XR_OK);
    xr_index_writer_free(writer);
  }
  xr_index *index;
  cr_assert_eq(xr_index_open(&index, at), XR_OK, "%s", xr_message());
  cr_expect_eq(xr_index_rows(index), 6);
  for (int64_t row = 0; row < 6; row++) {
    xr_index_shard shard;
    cr_assert_eq(xr_index_shard_at(index, row / 2, &shard), XR_OK);
    expect_row(index, &shard, row, 8 + row % 2);
  }
  xr_index_close(index);
}

Test(index, what_cannot_be_added_is_refused) {
  const xr_index_form form = form_of(XR_F32, 0);
  float features[WIDTH] = {1, 2, NAN, 4, 5};
  const xr_index_item item = {.path = "here.jpg"};
  xr_index_writer *writer;
  cr_assert_eq(xr_index_writer_open(&writer, at, &form, &list), XR_OK);
  cr_expect_eq(xr_index_add(writer, features, NULL, &item), XR_NOT_FINITE);
  expect_message("here.jpg: row 0: number 2 is nan");
  features[2] = INFINITY;
  cr_expect_eq(xr_index_add(writer, features, NULL, &item), XR_NOT_FINITE);
  features[2] = 3;
  cr_expect_eq(xr_index_add(writer, features, features, &item), XR_BAD_ARGUMENT);
  cr_expect_eq(xr_index_add(writer, NULL, NULL, &item), XR_BAD_ARGUMENT);
  cr_expect_eq(xr_index_add(writer, features, NULL, &item), XR_OK);
  cr_expect_eq(xr_index_finish(writer), XR_BAD_ARGUMENT);
  expect_message("1 of 11 entries");
  xr_index_writer_free(writer);
}

/* ---- damage */
static char *file_in_index(const char *name) {
  static char path[260];
  snprintf(path, sizeof path, "%s/%s", at, name);
  return path;
}

/* `place` below 0: from the end. */
static void flip_byte(const char *name, long place) {
  FILE *f = fopen(file_in_index(name), "r+b");
  cr_assert(f);
  fseek(f, place, place < 0 ? SEEK_END : SEEK_SET);
  const int byte = getc(f);
  fseek(f, place, place < 0 ? SEEK_END : SEEK_SET);
  putc(byte ^ 1, f);
  fclose(f);
}

static void expect_broken(const char *words) {
  xr_index *index = NULL;
  xr_index_shard shard;
  xr_status status = xr_index_open(&index, at);
  for (int64_t i = 0; status == XR_OK && i < xr_index_shards(index); i++) status = xr_index_shard_at(index, i, &shard);
  cr_expect_eq(status, XR_BAD_INPUT, "status %d: %s", status, xr_message());
  expect_message(words);
  expect_message("makes it anew");
  xr_index_close(index);
}

Test(index, damaged_shards_are_found_and_made_anew) {
  const xr_index_form form = form_of(XR_F32, 0);
  char whole[220];
  snprintf(whole, sizeof whole, "%s.whole", at);
  write_until(whole, &form, ENTRIES);
  write_until(at, &form, ENTRIES);
  for (long place = -1; place < 700; place += 50) { /* -1: the file is cut; the header; the data */
    char *third = file_in_index("shard-000002.safetensors");
    if (place < 0)
      cr_assert_eq(truncate(third, 600), 0);
    else
      flip_byte("shard-000002.safetensors", place);
    expect_broken("shard-000002.safetensors");
    write_until(at, &form, ENTRIES);
    expect_equal_folders(whole, at);
  }
  unlink(file_in_index("shard-000000.safetensors"));
  expect_broken("shard-000000.safetensors is missing");
  write_until(at, &form, ENTRIES);
  expect_equal_folders(whole, at);
}

Test(index, damage_to_an_index_without_a_list_is_refused) {
  const xr_index_form form = form_of(XR_F32, 0);
  xr_index_writer *writer;
  cr_assert_eq(xr_index_writer_open(&writer, at, &form, NULL), XR_OK);
  cr_assert_eq(add(writer, 0, 0), XR_OK);
  cr_assert_eq(xr_index_finish(writer), XR_OK);
  xr_index_writer_free(writer);
  flip_byte("shard-000000.safetensors", -1);
  cr_expect_eq(xr_index_writer_open(&writer, at, &form, NULL), XR_BAD_INPUT);
  expect_message("shard-000000.safetensors is damaged: its checksum is ");
}

Test(index, index_json_is_read_with_care) {
  static const struct {
    const char *json, *words;
    xr_status status;
  } cases[] = {
      {"", "index.json:1", XR_BAD_INPUT},
      {"{}", "is no \"xreid feature index\"", XR_BAD_INPUT},
      {"{\"kind\": \"xreid feature index\", \"version\": 2}", "version 2", XR_UNSUPPORTED},
      {"{\"kind\": \"xreid feature index\", \"version\": 1}", "\"width\"", XR_BAD_INPUT},
      {"{\"kind\": \"xreid feature index\", \"version\": 1, \"width\": 0}", "\"width\"", XR_BAD_INPUT},
      {"{\"kind\": \"xreid feature index\", \"version\": 1, \"width\": 1e300}", "\"width\"", XR_BAD_INPUT},
      {"{\"kind\": \"xreid feature index\", \"version\": 1, \"width\": 5, \"set_size\": 0, \"shard_entries\": 4}", "\"storage\"",
       XR_BAD_INPUT},
      {"{\"kind\": \"xreid feature index\", \"version\": 1, \"width\": 5, \"set_size\": 0, \"shard_entries\": 4, \"storage\": \"f32\", "
       "\"folder\": \"/\", \"model\": {\"a\": 1}}",
       "\"a\" is no text", XR_BAD_INPUT},
      {"{\"kind\": \"xreid feature index\", \"version\": 1, \"width\": 5, \"set_size\": 0, \"shard_entries\": 4, \"storage\": \"f32\", "
       "\"folder\": \"/\", \"model\": {}, \"shards\": [{\"rows\": 4, \"skipped\": 1, \"bytes\": 1, \"crc32\": \"00000000\"}]}",
       "shard 0: \"skipped\"", XR_BAD_INPUT},
      {"{\"kind\": \"xreid feature index\", \"version\": 1, \"width\": 5, \"set_size\": 0, \"shard_entries\": 4, \"storage\": \"f32\", "
       "\"folder\": \"/\", \"model\": {}, \"shards\": [{\"rows\": 4, \"skipped\": 0, \"bytes\": 1, \"crc32\": \"0000000g\"}]}",
       "8 hexadecimal digits", XR_BAD_INPUT},
      {"{\"kind\": \"xreid feature index\", \"version\": 1, \"width\": 5, \"set_size\": 0, \"shard_entries\": 4, \"storage\": \"f32\", "
       "\"folder\": \"/\", \"model\": {}, \"list\": {\"entries\": 3, \"crc32\": \"00000000\"}, "
       "\"shards\": [{\"rows\": 4, \"skipped\": 0, \"bytes\": 1, \"crc32\": \"00000000\"}]}",
       "4 entries of a list of 3", XR_BAD_INPUT},
  };
  xr_index *index;
  cr_expect_eq(xr_index_open(&index, at), XR_NOT_FOUND);
  cr_expect_not(xr_index_exists(at));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    scratch_text(&home, "index/index.json", cases[i].json);
    const xr_status status = xr_index_open(&index, at);
    cr_expect_eq(status, cases[i].status, "case %zu: status %d: %s", i, status, xr_message());
    expect_message(cases[i].words);
    expect_message("index.json");
    xr_index_close(index);
  }
}

/* ---- search */
typedef struct {
  float *queries, *gallery; /* [Q, D], [G, D] */
  int64_t query_count, gallery_count, width;
} problem;

static problem make_problem(int64_t queries, int64_t gallery, int64_t width, xr_dtype storage) {
  problem p = {xr_random_values(XR_F32, queries * width, 1), xr_random_values(XR_F32, gallery * width, 2), queries, gallery, width};
  for (int64_t i = 0; storage == XR_BF16 && i < gallery * width; i++) p.gallery[i] = xr_bf16_to_f32(xr_f32_to_bf16(p.gallery[i]));
  return p;
}

static void free_problem(problem *p) {
  xr_block_free(p->queries);
  xr_block_free(p->gallery);
}

static xr_index *write_problem(const problem *p, xr_dtype storage, int64_t shard) {
  const xr_index_form form = {.width = p->width, .storage = storage, .shard_entries = shard};
  const xr_index_item item = {.path = "", .id = -1, .camera = -1};
  char command[300];
  snprintf(command, sizeof command, "rm -rf '%s'", at);
  cr_assert_eq(system(command), 0);
  xr_index_writer *writer;
  cr_assert_eq(xr_index_writer_open(&writer, at, &form, NULL), XR_OK, "%s", xr_message());
  for (int64_t g = 0; g < p->gallery_count; g++) cr_assert_eq(xr_index_add(writer, p->gallery + g * p->width, NULL, &item), XR_OK);
  cr_assert_eq(xr_index_finish(writer), XR_OK, "%s", xr_message());
  xr_index_writer_free(writer);
  xr_index *index;
  cr_assert_eq(xr_index_open(&index, at), XR_OK, "%s", xr_message());
  return index;
}

static double dot(const float *a, const float *b, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; k++) sum += (double)a[k] * (double)b[k];
  return sum;
}

static double reference(const problem *p, xr_metric metric, int64_t q, int64_t g) {
  const float *a = p->queries + q * p->width, *b = p->gallery + g * p->width;
  const double product = dot(a, b, p->width);
  if (metric == XR_COSINE) return product / sqrt(dot(a, a, p->width) * dot(b, b, p->width));
  return metric == XR_EUCLIDEAN ? product - dot(b, b, p->width) / 2 : product;
}

/* What was found is the beginning of the sorted gallery: no other item is better than the last one, to rounding. */
static void expect_best(const problem *p, xr_metric metric, int64_t q, int64_t top, const int64_t *rows, const float *scores) {
  bool *taken = calloc((size_t)p->gallery_count, sizeof *taken);
  const int64_t found = top < p->gallery_count ? top : p->gallery_count;
  for (int64_t i = 0; i < found; i++) {
    cr_assert(rows[i] >= 0 && rows[i] < p->gallery_count && !taken[rows[i]]);
    taken[rows[i]] = true;
    cr_assert_float_eq((double)scores[i], reference(p, metric, q, rows[i]), 1e-5 * (double)p->width);
    if (i) cr_assert(scores[i] < scores[i - 1] || (scores[i] == scores[i - 1] && rows[i] > rows[i - 1]));
  }
  for (int64_t g = 0; g < p->gallery_count; g++)
    if (!taken[g]) cr_assert_leq(reference(p, metric, q, g), (double)scores[found - 1] + 1e-5 * (double)p->width);
  for (int64_t i = found; i < top; i++) cr_assert_eq(rows[i], -1);
  free(taken);
}

static void check_search(const problem *p, xr_index *index, xr_metric metric, int64_t top) {
  const size_t count = (size_t)(p->query_count * top);
  int64_t *rows = malloc(count * sizeof *rows), *again = malloc(count * sizeof *again);
  float *scores = malloc(count * sizeof *scores), *scores_again = malloc(count * sizeof *scores);
  const xr_search search = {.queries = p->query_count, .top_k = top, .features = p->queries, .rule = {.metric = metric}};
  cr_assert_eq(xr_search_index(index, &search, rows, scores), XR_OK, "%s", xr_message());
  for (int64_t q = 0; q < p->query_count; q++) expect_best(p, metric, q, top, rows + q * top, scores + q * top);
  xr_set_threads(3);
  cr_assert_eq(xr_search_index(index, &search, again, scores_again), XR_OK, "%s", xr_message());
  xr_set_threads(1);
  cr_expect_arr_eq(rows, again, count * sizeof *rows);
  cr_expect_arr_eq(scores, scores_again, count * sizeof *scores);
  free(rows);
  free(again);
  free(scores);
  free(scores_again);
}

Test(index, search_is_exact) {
  static const struct {
    int64_t queries, gallery, width, top, shard;
    xr_dtype storage;
  } cases[] = {{1, 1, 1, 1, 4, XR_F32},           {3, 7, 5, 10, 2, XR_F32},      {1, 5000, 33, 7, 5000, XR_F32},
               {2, 9001, 16, 100, 4096, XR_BF16}, {300, 70, 24, 70, 64, XR_F32}, {257, 300, 17, 3, 99, XR_BF16}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    problem p = make_problem(cases[i].queries, cases[i].gallery, cases[i].width, cases[i].storage);
    xr_index *index = write_problem(&p, cases[i].storage, cases[i].shard);
    for (int metric = 0; metric < XR_METRICS; metric++) check_search(&p, index, (xr_metric)metric, cases[i].top);
    xr_index_close(index);
    free_problem(&p);
  }
}

/* The shards that hold a gallery change nothing, to the bit; equal scores are ordered by their rows. */
Test(index, search_does_not_depend_on_shards) {
  enum { QUERIES = 4, GALLERY = 500, D = 20, TOP = 60 };
  problem p = make_problem(QUERIES, GALLERY, D, XR_F32);
  for (int64_t g = 100; g < GALLERY; g += 100) memcpy(p.gallery + g * D, p.gallery, D * sizeof(float)); /* ties */
  memcpy(p.queries, p.gallery, D * sizeof(float));
  int64_t rows[2][QUERIES * TOP];
  float scores[2][QUERIES * TOP];
  const int64_t shards[2] = {GALLERY, 7};
  for (int i = 0; i < 2; i++) {
    xr_index *index = write_problem(&p, XR_F32, shards[i]);
    const xr_search search = {.queries = QUERIES, .top_k = TOP, .features = p.queries};
    cr_assert_eq(xr_search_index(index, &search, rows[i], scores[i]), XR_OK, "%s", xr_message());
    xr_index_close(index);
  }
  cr_expect_arr_eq(rows[0], rows[1], sizeof *rows);
  cr_expect_arr_eq(scores[0], scores[1], sizeof *scores);
  for (int64_t i = 0; i < 5; i++) cr_expect_eq(rows[0][i], 100 * i);
  free_problem(&p);
}

/* With sets and without, through shards and memory of any size: the bits of a ranking of the same arrays in memory. */
Test(index, search_is_the_ranking_of_arrays) {
  enum { QUERIES = 3, GALLERY = 61, D = 24, K = 3, TOP = 9 };
  static const struct {
    float weight;
    int64_t shard;
    size_t memory_bytes;
    xr_dtype storage;
  } cases[] = {{0, 61, 0, XR_F32}, {.5f, 7, 0, XR_F32}, {1, 7, 4096, XR_F32}, {.5f, 4, 1, XR_BF16}, {0, 1, 20000, XR_BF16}};
  for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
    const xr_dtype storage = cases[c].storage;
    float *query = xr_random_values(XR_F32, QUERIES * D, 3), *query_sets = xr_random_values(XR_F32, QUERIES * K * D, 4);
    float *item = xr_random_values(XR_F32, GALLERY * D, 5), *item_sets = xr_random_values(XR_F32, GALLERY * K * D, 6);
    xr_index_form form = {.width = D, .set_size = K, .storage = storage, .shard_entries = cases[c].shard};
    char folder[220];
    snprintf(folder, sizeof folder, "%s%zu", at, c);
    xr_index_writer *writer;
    cr_assert_eq(xr_index_writer_open(&writer, folder, &form, NULL), XR_OK, "%s", xr_message());
    for (int64_t g = 0; g < GALLERY; g++) {
      if (g % 5 == 0) cr_assert_eq(xr_index_skip(writer), XR_OK); /* with shards of 1 and 4 some have no row */
      cr_assert_eq(xr_index_add(writer, item + g * D, item_sets + g * K * D, &(xr_index_item){.path = ""}), XR_OK);
    }
    cr_assert_eq(xr_index_finish(writer), XR_OK);
    xr_index_writer_free(writer);
    for (int64_t i = 0; storage == XR_BF16 && i < GALLERY * D; i++) item[i] = xr_bf16_to_f32(xr_f32_to_bf16(item[i]));
    for (int64_t i = 0; storage == XR_BF16 && i < GALLERY * K * D; i++) item_sets[i] = xr_bf16_to_f32(xr_f32_to_bf16(item_sets[i]));

    const xr_score_rule rule = {.set_weight = cases[c].weight, .set_sharpness = 16};
    const xr_evaluation_input in = {.queries = QUERIES,
                                    .gallery = GALLERY,
                                    .rule = rule,
                                    .query_features = {.data = query, .dtype = XR_F32},
                                    .gallery_features = {.data = item, .dtype = XR_F32},
                                    .width = D,
                                    .query_sets = {.data = query_sets, .dtype = XR_F32},
                                    .gallery_sets = {.data = item_sets, .dtype = XR_F32},
                                    .set_width = D,
                                    .query_set_size = K,
                                    .gallery_set_size = K};
    xr_evaluation expected;
    cr_assert_eq(xr_find_best(&in, &(xr_evaluation_options){.top_k = TOP}, &expected), XR_OK, "%s", xr_message());
    int64_t rows[QUERIES * TOP];
    float scores[QUERIES * TOP];
    const xr_search search = {
        .queries = QUERIES, .top_k = TOP, .features = query, .sets = query_sets, .rule = rule, .memory_bytes = cases[c].memory_bytes};
    xr_index *index;
    cr_assert_eq(xr_index_open(&index, folder), XR_OK, "%s", xr_message());
    cr_assert_eq(xr_search_index(index, &search, rows, scores), XR_OK, "case %zu: %s", c, xr_message());
    cr_expect_arr_eq(rows, expected.top_index, sizeof rows, "case %zu", c);
    cr_expect_arr_eq(scores, expected.top_score, sizeof scores, "case %zu", c);
    xr_index_close(index);
    xr_evaluation_free(&expected);
    xr_block_free(query);
    xr_block_free(query_sets);
    xr_block_free(item);
    xr_block_free(item_sets);
  }
}

/* Peak memory of this process so far, MiB. */
static double peak_mib(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_maxrss / 1024;
}

#ifdef __SANITIZE_ADDRESS__ /* its own memory comes on top */
static const double limit_mib = 512;
#else
static const double limit_mib = 32;
#endif

enum { LARGE = 32768, LARGE_WIDTH = 512 }; /* 64 MiB */

static void write_large(void) {
  const xr_index_form form = {.width = LARGE_WIDTH, .storage = XR_F32, .shard_entries = 2048};
  xr_index_writer *writer;
  float row[LARGE_WIDTH];
  cr_assert_eq(xr_index_writer_open(&writer, at, &form, NULL), XR_OK, "%s", xr_message());
  for (int64_t g = 0; g < LARGE; g++) {
    for (int64_t k = 0; k < LARGE_WIDTH; k++) row[k] = k == g % LARGE_WIDTH ? (float)(1 + g / LARGE_WIDTH) : k == 0 ? 1 : 0;
    cr_assert_eq(xr_index_add(writer, row, NULL, &(xr_index_item){.path = ""}), XR_OK);
  }
  cr_assert_eq(xr_index_finish(writer), XR_OK);
  xr_index_writer_free(writer);
}

/* By dot product the best for the 300th unit vector are the rows 300, 812, .. : the last one first. */
static void search_large(void) {
  float query[LARGE_WIDTH] = {[300] = 1}, scores[3];
  int64_t rows[3];
  const double before = peak_mib();
  xr_index *index;
  cr_assert_eq(xr_index_open(&index, at), XR_OK, "%s", xr_message());
  const xr_search search = {.queries = 1, .top_k = 3, .features = query, .rule = {.metric = XR_DOT}, .memory_bytes = 4 << 20};
  cr_assert_eq(xr_search_index(index, &search, rows, scores), XR_OK, "%s", xr_message());
  xr_index_close(index);
  for (int64_t i = 0; i < 3; i++) {
    cr_expect_eq(rows[i], (LARGE / LARGE_WIDTH - 1 - i) * LARGE_WIDTH + 300);
    cr_expect_eq(scores[i], (float)(LARGE / LARGE_WIDTH - i));
  }
  cr_expect_lt(peak_mib() - before, limit_mib, "a search of 64 MiB took %.0f MiB", peak_mib() - before);
}

static void in_child(void (*work)(void)) {
  const pid_t child = fork();
  if (!child) {
    work();
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(index, an_index_larger_than_memory_is_searched) {
  in_child(write_large);
  search_large();
}

Test(index, a_search_that_cannot_be_is_refused) {
  problem p = make_problem(1, 3, 4, XR_F32);
  xr_index *index = write_problem(&p, XR_F32, 4);
  int64_t rows[2];
  float scores[2];
  xr_search search = {.queries = 0, .top_k = 2, .features = p.queries};
  cr_expect_eq(xr_search_index(index, &search, rows, scores), XR_BAD_SHAPE);
  search.queries = 1;
  search.rule = (xr_score_rule){.set_weight = .5f, .set_sharpness = 16};
  cr_expect_eq(xr_search_index(index, &search, rows, scores), XR_BAD_INPUT);
  expect_message("sets, which the index lacks");
  search.rule = (xr_score_rule){0};
  p.queries[3] = NAN;
  cr_expect_eq(xr_search_index(index, &search, rows, scores), XR_NOT_FINITE);
  expect_message("query 0: number 3");
  xr_index_close(index);
  const problem none = {.width = 4};
  index = write_problem(&none, XR_F32, 4);
  p.queries[3] = 0;
  cr_expect_eq(xr_search_index(index, &search, rows, scores), XR_BAD_SHAPE);
  expect_message("holds no features");
  xr_index_close(index);
  free_problem(&p);
}
