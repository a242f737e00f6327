/* The functions of libxreid where a caller in C can go wrong: structures of other versions, arguments that are missing. What they compute
 * is compared with the command in tests/cli/python.sh and library.sh. */
#include <criterion/criterion.h>

#include "host/api/xreid.h"
#include "tests/data/scratch.h"

static void expect_failure(xreid_status status, xreid_status expected, const char *words) {
  cr_expect_eq(status, expected, "status %d: %s", (int)status, xreid_message());
  cr_expect(strstr(xreid_message(), words), "'%s' is not in: %s", words, xreid_message());
}

static const float queries[] = {1, 0, 0, 1}, gallery[] = {1, .1f, .1f, 1, 1, 1};
static const int64_t query_ids[] = {7, 8}, gallery_ids[] = {7, 8, 8};

static xreid_rank_input example(void) {
  return (xreid_rank_input){.size = sizeof(xreid_rank_input),
                            .queries = 2,
                            .gallery = 3,
                            .query_features = queries,
                            .gallery_features = gallery,
                            .width = 2,
                            .query_ids = query_ids,
                            .gallery_ids = gallery_ids,
                            .top = 2};
}

Test(api, ranking_of_features) {
  const xreid_rank_input in = example();
  xreid_ranking *ranking;
  xreid_measures m = {.size = sizeof m};
  cr_assert_eq(xreid_rank(&ranking, &in), XREID_OK, "%s", xreid_message());
  cr_assert_eq(xreid_ranking_measures(ranking, &m), XREID_OK);
  cr_expect_eq(m.queries, 2);
  cr_expect_eq(m.gallery, 3);
  cr_expect_eq(m.mAP, 1.0);
  cr_assert_eq(m.cmc_length, 3);
  cr_expect_eq(m.cmc[0], 1.0);
  cr_expect_null(m.id_cmc);
  cr_expect_arr_eq(m.top, ((int64_t[]){0, 2, 1, 2}), 4 * sizeof *m.top);
  xreid_ranking_close(ranking);
}

/* A program that was built with an older header has shorter structures: what it lacks is 0, what it has room for is filled. */
Test(api, shorter_structures_are_those_of_older_programs) {
  xreid_rank_input in = example();
  xreid_ranking *ranking;
  in.size = offsetof(xreid_rank_input, top);
  cr_assert_eq(xreid_rank(&ranking, &in), XREID_OK, "%s", xreid_message());
  struct {
    xreid_measures m;
  } room;
  memset(&room, 0x55, sizeof room);
  room.m.size = offsetof(xreid_measures, mINP);
  cr_assert_eq(xreid_ranking_measures(ranking, &room.m), XREID_OK);
  cr_expect_eq(room.m.mAP, 1.0);
  for (size_t i = offsetof(xreid_measures, mINP); i < sizeof room; i++) cr_assert_eq(((const char *)&room)[i], 0x55, "byte %zu", i);
  xreid_measures m = {.size = sizeof m};
  cr_assert_eq(xreid_ranking_measures(ranking, &m), XREID_OK);
  cr_expect_null(m.top, "`top` was set behind the end of the structure");
  xreid_ranking_close(ranking);
}

/* A newer program has longer ones: fine as long as it sets nothing that this library does not know. */
Test(api, longer_structures_are_those_of_newer_programs) {
  struct {
    xreid_rank_input known;
    int64_t later;
  } in = {.known = example()};
  xreid_ranking *ranking;
  in.known.size = sizeof in;
  cr_assert_eq(xreid_rank(&ranking, &in.known), XREID_OK, "%s", xreid_message());
  xreid_ranking_close(ranking);
  in.later = 1;
  expect_failure(xreid_rank(&ranking, &in.known), XREID_UNSUPPORTED, "does not know");
  cr_expect_null(ranking);
}

Test(api, what_is_missing_is_named) {
  xreid_rank_input in = example();
  xreid_ranking *ranking;
  xreid_model *model;
  xreid_writer *writer;
  xreid_index *index;
  float numbers[2];
  int64_t rows[1];
  in.size = 0;
  expect_failure(xreid_rank(&ranking, &in), XREID_BAD_ARGUMENT, "size is not set");
  expect_failure(xreid_rank(&ranking, NULL), XREID_BAD_ARGUMENT, "xreid_rank: NULL");
  expect_failure(xreid_rank(NULL, &in), XREID_BAD_ARGUMENT, "xreid_rank");
  in = example();
  in.gallery_features = NULL;
  expect_failure(xreid_rank(&ranking, &in), XREID_BAD_ARGUMENT, "go together");
  in = example();
  in.query_ids = NULL;
  expect_failure(xreid_rank(&ranking, &in), XREID_BAD_ARGUMENT, "ids");
  in = example();
  in.metric = "taxicab";
  expect_failure(xreid_rank(&ranking, &in), XREID_BAD_ARGUMENT, "there is no metric 'taxicab'");
  in = example();
  in.ties = "coin";
  expect_failure(xreid_rank(&ranking, &in), XREID_BAD_ARGUMENT, "there is no tie rule 'coin'");
  in = example();
  in.top = -1;
  expect_failure(xreid_rank(&ranking, &in), XREID_BAD_ARGUMENT, "negative");
  expect_failure(xreid_model_open(&model, NULL, NULL), XREID_BAD_ARGUMENT, "no weights");
  expect_failure(xreid_model_open(&model, "nothing.safetensors", NULL), XREID_NOT_FOUND, "nothing.safetensors");
  cr_expect_null(model);
  expect_failure(xreid_embed_texts(NULL, NULL, 1, numbers, NULL), XREID_BAD_ARGUMENT, "xreid_embed_texts");
  expect_failure(xreid_writer_open(&writer, NULL, NULL), XREID_BAD_ARGUMENT, "xreid_writer_open");
  expect_failure(xreid_writer_finish(NULL), XREID_BAD_ARGUMENT, "xreid_writer_finish");
  expect_failure(xreid_index_open(&index, "nowhere", NULL), XREID_NOT_FOUND, "nowhere");
  cr_expect_null(index);
  expect_failure(xreid_index_item(NULL, 0, NULL, NULL), XREID_BAD_ARGUMENT, "xreid_index_item");
  expect_failure(xreid_index_search(NULL, NULL, 1, numbers, NULL, 1, rows, numbers), XREID_BAD_ARGUMENT, "xreid_index_search");
  xreid_model_close(NULL);
  xreid_writer_close(NULL);
  xreid_index_close(NULL);
  xreid_ranking_close(NULL);
}

Test(api, an_index_of_ones_own) {
  const scratch s = scratch_new();
  const xreid_writer_options options = {.size = sizeof options, .width = 2, .shard_rows = 2};
  const char *const paths[] = {"a.jpg", "b.jpg", NULL};
  xreid_writer *writer;
  xreid_index *index;
  const char *path;
  int64_t rows[3], id;
  float scores[3];
  char folder[200];
  snprintf(folder, sizeof folder, "%s/index", s.root);
  cr_assert_eq(xreid_writer_open(&writer, folder, &options), XREID_OK, "%s", xreid_message());
  cr_assert_eq(xreid_writer_add(writer, 2, gallery, NULL, paths, gallery_ids), XREID_OK, "%s", xreid_message());
  cr_assert_eq(xreid_writer_add(writer, 1, gallery + 4, NULL, NULL, NULL), XREID_OK, "%s", xreid_message());
  expect_failure(xreid_writer_add(writer, 1, gallery, NULL, paths + 2, NULL), XREID_BAD_ARGUMENT, "a path");
  expect_failure(xreid_writer_add(writer, 1, gallery, gallery, NULL, NULL), XREID_BAD_ARGUMENT, "no set");
  cr_assert_eq(xreid_writer_finish(writer), XREID_OK, "%s", xreid_message());
  xreid_writer_close(writer);
  cr_assert_eq(xreid_index_open(&index, folder, NULL), XREID_OK, "%s", xreid_message());
  cr_expect_eq(xreid_index_rows(index), 3);
  cr_assert_eq(xreid_index_search(index, NULL, 1, queries, NULL, 3, rows, scores), XREID_OK, "%s", xreid_message());
  cr_expect_arr_eq(rows, ((int64_t[]){0, 2, 1}), sizeof rows);
  cr_assert_eq(xreid_index_item(index, 1, &path, &id), XREID_OK);
  cr_expect_str_eq(path, "b.jpg");
  cr_expect_eq(id, 8);
  cr_assert_eq(xreid_index_item(index, 2, &path, &id), XREID_OK);
  cr_expect_str_empty(path);
  cr_expect_eq(id, -1);
  xreid_index_close(index);
  scratch_remove(&s);
}
