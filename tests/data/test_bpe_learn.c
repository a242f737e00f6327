#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/file.h"
#include "host/data/bpe_learn.h"
#include "host/data/tokenizer.h"
#include "tests/support/text_golden.h"

static char path[64];

static void name_file(void) { snprintf(path, sizeof path, "/tmp/xreid_learnt_%ld.txt", (long)getpid()); }
static void remove_file(void) { unlink(path); }

TestSuite(bpe_learn, .init = name_file, .fini = remove_file);

static char *learn(const char *const *texts, size_t count, int merges) {
  char *file;
  size_t bytes;
  cr_assert(xr_bpe_learn(texts, count, merges, path) == XR_OK, "%s", xr_message());
  cr_assert(xr_read_file(path, &file, &bytes) == XR_OK, "%s", xr_message());
  return file;
}

enum { MAX_CAPTIONS = 100 };

static size_t golden_captions(const xr_text_golden *golden, const char *captions[MAX_CAPTIONS]) {
  const json_t *list = json_object_get(golden->document, "captions");
  size_t count = json_array_size(list);
  cr_assert(count > 0 && count <= MAX_CAPTIONS);
  for (size_t i = 0; i < count; i++) captions[i] = json_string_value(json_array_get(list, i));
  return count;
}

Test(bpe_learn, equals_the_plain_program) {
  const char *captions[MAX_CAPTIONS];
  char small[512], *expected;
  size_t bytes;
  xr_text_golden golden = xr_text_golden_open();
  size_t count = golden_captions(&golden, captions);
  char *file = learn(captions, count, XR_SMALL_MERGES);
  cr_assert(xr_read_file(xr_small_merges_path(small), &expected, &bytes) == XR_OK, "%s", xr_message());
  cr_assert_str_eq(file, expected);
  for (size_t i = 0; i < count / 2; i++) { /* the order of the captions does not matter */
    const char *swap = captions[i];
    captions[i] = captions[count - 1 - i];
    captions[count - 1 - i] = swap;
  }
  char *again = learn(captions, count, XR_SMALL_MERGES);
  cr_assert_str_eq(again, expected);
  free(again);
  free(file);
  free(expected);
  xr_text_golden_close(&golden);
}

Test(bpe_learn, stops_when_every_word_is_one_piece) {
  const char *captions[MAX_CAPTIONS];
  xr_text_golden golden = xr_text_golden_open();
  size_t count = golden_captions(&golden, captions);
  free(learn(captions, count, 10000));
  xr_tokenizer *tokenizer;
  int32_t ids[32];
  int length;
  cr_assert(xr_tokenizer_load(&tokenizer, path, XR_TOKENIZER_CLIP) == XR_OK, "%s", xr_message());
  cr_assert_lt(xr_tokenizer_size(tokenizer), 512 + 10000 + 2);
  cr_assert_eq(xr_tokenize(tokenizer, "An old man in a brown jacket, walking with a walking stick.", 32, ids, &length), XR_OK);
  cr_assert_eq(length, 1 + 14 + 1, "%d ids", length);
  xr_tokenizer_free(tokenizer);
  xr_text_golden_close(&golden);
}

Test(bpe_learn, ties_go_to_the_first_in_byte_order) {
  const char *texts[] = {"zy ba"};
  char *file = learn(texts, 1, 2);
  cr_assert_str_eq(strchr(file, '\n') + 1, "b a</w>\nz y</w>\n");
  free(file);
}

Test(bpe_learn, learns_nothing_from_nothing) {
  const char *texts[] = {"", "a b c", "<|startoftext|>"};
  char *file = learn(texts, 3, 50);
  cr_assert_str_eq(file, "#version: byte pairs learnt by xreid from 3 captions\n");
  free(file);
  file = learn(NULL, 0, 50);
  cr_assert_str_eq(file, "#version: byte pairs learnt by xreid from 0 captions\n");
  free(file);
  xr_tokenizer *tokenizer;
  cr_assert(xr_tokenizer_load(&tokenizer, path, XR_TOKENIZER_CLIP) == XR_OK, "%s", xr_message());
  cr_assert_eq(xr_tokenizer_size(tokenizer), 514);
  xr_tokenizer_free(tokenizer);
}

Test(bpe_learn, refuses_what_it_cannot_do) {
  const char *texts[] = {"a man"};
  cr_assert_eq(xr_bpe_learn(texts, 1, -1, path), XR_BAD_ARGUMENT);
  cr_assert_eq(xr_bpe_learn(texts, 1, XR_CLIP_MERGES + 1, path), XR_BAD_ARGUMENT);
  cr_assert_eq(xr_bpe_learn(texts, 1, 5, "/nonexistent/folder/merges.txt"), XR_IO);
}
