#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "host/base/file.h"
#include "host/base/random.h"
#include "host/data/text_clean.h"
#include "host/data/tokenizer.h"
#include "host/data/words.h"
#include "tests/support/text_golden.h"

static xr_tokenizer *load(const char *path, xr_tokenizer_variant variant) {
  xr_tokenizer *tokenizer;
  cr_assert(xr_tokenizer_load(&tokenizer, path, variant) == XR_OK, "%s", xr_message());
  return tokenizer;
}

static xr_tokenizer *load_clip(xr_tokenizer_variant variant) {
  char path[512];
  return load(xr_clip_merges_path(path), variant);
}

static xr_tokenizer *load_small(xr_tokenizer_variant variant) {
  char path[512];
  return load(xr_small_merges_path(path), variant);
}

/* The first position where the text's ids differ from the expected ones; -1: none; -2: it cannot be tokenized. */
static int first_difference(const xr_tokenizer *tokenizer, const char *text, const json_t *expected) {
  int32_t *ids;
  int length, i = 0, count = (int)json_array_size(expected);
  if (xr_tokenize_all(tokenizer, text, &ids, &length) != XR_OK) return -2;
  while (i < length && i < count && ids[i] == json_integer_value(json_array_get(expected, (size_t)i))) i++;
  free(ids);
  return i == length && i == count ? -1 : i;
}

static size_t remove_zeros(char *text, size_t count) { /* a C string cannot hold them, and the cleaning drops them */
  size_t made = 0;
  for (size_t i = 0; i < count; i++)
    if (text[i]) text[made++] = text[i];
  text[made] = '\0';
  return made;
}

static void expect_golden(const xr_tokenizer *tokenizer, bool clip) {
  static xr_golden_text text;
  xr_text_golden golden = xr_text_golden_open();
  for (size_t i = 0; i < golden.texts; i++) {
    xr_text_golden_get(&golden, i, &text);
    remove_zeros(text.bytes, text.count);
    int where = first_difference(tokenizer, text.bytes, clip ? text.clip : text.small);
    cr_assert_eq(where, -1, "text %zu '%s': id %d differs", i, text.bytes, where);
  }
  xr_text_golden_close(&golden);
}

Test(tokenizer, equals_clip_to_the_id) {
  xr_tokenizer *tokenizer = load_clip(XR_TOKENIZER_CLIP);
  expect_golden(tokenizer, true);
  xr_tokenizer_free(tokenizer);
}

Test(tokenizer, equals_the_plain_program_with_a_small_vocabulary) {
  xr_tokenizer *tokenizer = load_small(XR_TOKENIZER_CLIP);
  cr_assert_eq(xr_tokenizer_size(tokenizer), 512 + XR_SMALL_MERGES + 2);
  expect_golden(tokenizer, false);
  xr_tokenizer_free(tokenizer);
}

typedef struct {
  pthread_t thread;
  const xr_tokenizer *tokenizer;
  const xr_text_golden *golden;
  xr_golden_text text;
  size_t wrong;
} worker;

static void *tokenize_golden(void *argument) { /* asserts only where the main thread has asserted already */
  worker *w = argument;
  for (size_t i = 0; i < w->golden->texts; i++) {
    xr_text_golden_get(w->golden, i, &w->text);
    remove_zeros(w->text.bytes, w->text.count);
    w->wrong += first_difference(w->tokenizer, w->text.bytes, w->text.small) != -1;
  }
  return NULL;
}

Test(tokenizer, serves_several_threads) {
  enum { WORKERS = 3 };
  static worker workers[WORKERS];
  xr_tokenizer *tokenizer = load_small(XR_TOKENIZER_CLIP);
  xr_text_golden golden = xr_text_golden_open();
  for (int i = 0; i < WORKERS; i++) {
    workers[i].tokenizer = tokenizer;
    workers[i].golden = &golden;
    cr_assert_eq(pthread_create(&workers[i].thread, NULL, tokenize_golden, &workers[i]), 0);
  }
  for (int i = 0; i < WORKERS; i++) pthread_join(workers[i].thread, NULL);
  for (int i = 0; i < WORKERS; i++) cr_assert_eq(workers[i].wrong, 0, "thread %d: %zu texts differ", i, workers[i].wrong);
  xr_text_golden_close(&golden);
  xr_tokenizer_free(tokenizer);
}

static const struct {
  const char *text;
  int length;
  int32_t ids[32];
} vectors[] = {
    {"a man wearing a red shirt and black pants.", 12, {49406, 320, 786, 3309, 320, 736, 2523, 537, 1449, 5003, 269, 49407}},
    {"The woman's hair is tied in a ponytail; she's carrying a  white handbag, size 42.",
     23,
     {49406, 518, 2308, 568, 2225, 533, 9889, 530, 320, 43265, 282, 1043, 568, 9920, 320, 1579, 22654, 267, 3235, 275, 273, 269, 49407}},
    {"He wears dark-blue jeans &amp; sneakers", 10, {49406, 797, 11869, 3144, 268, 1746, 10157, 261, 17397, 49407}},
    {"Pedestrian with backpack!!!", 6, {49406, 18256, 593, 14894, 995, 49407}},
    {"jekyll", 3, {49406, 49405, 49407}},
    {"a", 3, {49406, 320, 49407}},
    {"!", 3, {49406, 256, 49407}},
    {"", 2, {49406, 49407}},
};

Test(tokenizer, published_vectors) {
  for (int variant = XR_TOKENIZER_CLIP; variant <= XR_TOKENIZER_IRRA; variant++) {
    xr_tokenizer *tokenizer = load_clip((xr_tokenizer_variant)variant);
    for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++) {
      int32_t ids[77];
      int length;
      cr_assert_eq(xr_tokenize(tokenizer, vectors[v].text, 77, ids, &length), XR_OK);
      cr_assert_eq(length, vectors[v].length, "'%s'", vectors[v].text);
      for (int i = 0; i < 77; i++) cr_assert_eq(ids[i], i < length ? vectors[v].ids[i] : 0, "'%s': id %d", vectors[v].text, i);
    }
    xr_tokenizer_free(tokenizer);
  }
}

Test(tokenizer, clips_special_ids) {
  xr_tokenizer *tokenizer = load_clip(XR_TOKENIZER_IRRA);
  cr_assert_eq(xr_tokenizer_size(tokenizer), 49408);
  cr_assert_eq(xr_tokenizer_start(tokenizer), 49406);
  cr_assert_eq(xr_tokenizer_end(tokenizer), 49407);
  cr_assert_eq(xr_tokenizer_mask(tokenizer), 49405);
  cr_assert_str_eq(xr_tokenizer_text(tokenizer, 0), "!");
  cr_assert_str_eq(xr_tokenizer_text(tokenizer, 256), "!</w>");
  cr_assert_str_eq(xr_tokenizer_text(tokenizer, 49405), "<|mask|>");
  cr_assert_str_eq(xr_tokenizer_text(tokenizer, 49407), "<|endoftext|>");
  cr_assert_null(xr_tokenizer_text(tokenizer, 49408));
  cr_assert_null(xr_tokenizer_text(tokenizer, -1));
  xr_tokenizer_free(tokenizer);
}

Test(tokenizer, only_irra_knows_the_mask) {
  int32_t ids[16];
  int length;
  xr_tokenizer *irra = load_small(XR_TOKENIZER_IRRA), *clip = load_small(XR_TOKENIZER_CLIP);
  cr_assert_eq(xr_tokenize(irra, "<|MASK|>", 16, ids, &length), XR_OK);
  cr_assert_eq(length, 3);
  cr_assert_eq(ids[1], xr_tokenizer_mask(irra));
  cr_assert_eq(xr_tokenize(clip, "<|mask|>", 16, ids, &length), XR_OK);
  cr_assert_gt(length, 3);
  for (int i = 0; i < length; i++) cr_assert_neq(ids[i], xr_tokenizer_mask(clip));
  xr_tokenizer_free(irra);
  xr_tokenizer_free(clip);
}

Test(tokenizer, cuts_and_pads) {
  xr_tokenizer *tokenizer = load_small(XR_TOKENIZER_CLIP);
  int32_t *all, ids[12];
  int count, length;
  cr_assert_eq(xr_tokenize_all(tokenizer, "1 2 3 4 5 6 7 8", &all, &count), XR_OK);
  cr_assert_eq(count, 10);
  for (int context = 2; context <= 12; context++) {
    memset(ids, 0xff, sizeof ids);
    cr_assert_eq(xr_tokenize(tokenizer, "1 2 3 4 5 6 7 8", context, ids, &length), XR_OK);
    cr_assert_eq(length, context < 10 ? context : 10);
    for (int i = 0; i < 12; i++) {
      int32_t expected = i >= context ? -1 : i == length - 1 ? xr_tokenizer_end(tokenizer) : i < length ? all[i] : 0;
      cr_assert_eq(ids[i], expected, "context %d, id %d", context, i);
    }
  }
  cr_assert_eq(xr_tokenize(tokenizer, "1", 1, ids, &length), XR_BAD_ARGUMENT);
  free(all);
  xr_tokenizer_free(tokenizer);
}

/* Writes `content` to a temporary file, plain or gzip, loads it and returns the status; the message has the file's name in it. */
static xr_status load_content(const char *content, size_t bytes, const char *suffix, bool packed, xr_tokenizer **tokenizer) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/xreid_merges_%ld%s", (long)getpid(), suffix);
  if (packed) {
    gzFile file = gzopen(path, "ab"); /* a second call adds a second member */
    cr_assert(file && gzwrite(file, content, (unsigned)bytes) == (int)bytes && gzclose(file) == Z_OK);
  } else {
    cr_assert_eq(xr_write_file(path, content, bytes), XR_OK);
  }
  xr_status status = xr_tokenizer_load(tokenizer, path, XR_TOKENIZER_CLIP);
  if (!packed) unlink(path);
  return status;
}

Test(tokenizer, refuses_damaged_files) {
  static const struct {
    const char *content, *suffix, *complaint;
  } cases[] = {
      {"", ".txt", "line 1: a version comment"},
      {"i n\nt h\n", ".txt", "line 1: a version comment"},
      {"#version: 1\ni n\nth\n", ".txt", "line 3: two pieces"},
      {"#version: 1\ni n\n\nt h\n", ".txt", "line 3: two pieces"},
      {"#version: 1\ni n x\n", ".txt", "line 2: two pieces"},
      {"#version: 1\ni n\nt h\ni n\n", ".txt", "line 4: the merge 'i n' stands in line 2"},
      {"#version: 1\nin g\n", ".txt", "line 2: piece 'in' is neither"},
      {"#version: 1\ni n\n", ".gz", "is not gzip data"},
      {"\x1f\x8b\x08\x00garbage and more garbage", ".gz", "damaged gzip data"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    xr_tokenizer *tokenizer;
    size_t bytes = i + 1 == sizeof cases / sizeof *cases ? 28 : strlen(cases[i].content);
    cr_assert_eq(load_content(cases[i].content, bytes, cases[i].suffix, false, &tokenizer), XR_BAD_INPUT, "case %zu", i);
    cr_assert(strstr(xr_message(), cases[i].complaint), "case %zu: '%s'", i, xr_message());
    cr_assert_null(tokenizer);
  }
}

Test(tokenizer, names_a_missing_file_and_where_to_get_it) {
  xr_tokenizer *tokenizer;
  cr_assert_eq(xr_tokenizer_load(&tokenizer, "/nonexistent/merges.txt.gz", XR_TOKENIZER_CLIP), XR_NOT_FOUND);
  cr_assert(strstr(xr_message(), "vocabulary file /nonexistent/merges.txt.gz not found"), "%s", xr_message());
  cr_assert(strstr(xr_message(), "text.vocabulary"), "%s", xr_message());
}

Test(tokenizer, reads_gzip_of_several_members_and_refuses_half_of_it) {
  xr_tokenizer *tokenizer;
  char path[64], *bytes;
  size_t size;
  snprintf(path, sizeof path, "/tmp/xreid_merges_%ld.gz", (long)getpid());
  cr_assert_eq(load_content("#version: 1\r\ni n\r\n", 18, ".gz", true, &tokenizer), XR_OK);
  xr_tokenizer_free(tokenizer);
  cr_assert_eq(load_content("in g</w>\n", 9, ".gz", true, &tokenizer), XR_OK);
  cr_assert_eq(xr_tokenizer_size(tokenizer), 512 + 2 + 2);
  cr_assert_str_eq(xr_tokenizer_text(tokenizer, 513), "ing</w>");
  xr_tokenizer_free(tokenizer);
  cr_assert_eq(xr_read_file(path, &bytes, &size), XR_OK);
  cr_assert_eq(xr_write_file(path, bytes, size - 12), XR_OK);
  cr_assert_eq(xr_tokenizer_load(&tokenizer, path, XR_TOKENIZER_CLIP), XR_BAD_INPUT);
  cr_assert(strstr(xr_message(), "damaged gzip data"), "%s", xr_message());
  free(bytes);
  unlink(path);
}

Test(tokenizer, does_all_places_of_a_merge_before_any_other) {
  /* "bbc" is made in two ways; once made, it would join the next b before the second "b bc" if places were not done together */
  static const char merges[] = "#version: 1\nb c\nb b\nbb c\nbbc b\nb bc\nx bc\n";
  xr_tokenizer *tokenizer;
  int32_t ids[16];
  int length;
  cr_assert_eq(load_content(merges, sizeof merges - 1, ".txt", false, &tokenizer), XR_OK);
  cr_assert_eq(xr_tokenize(tokenizer, "bbcbbcd", 16, ids, &length), XR_OK);
  cr_assert_eq(length, 5);
  cr_assert_str_eq(xr_tokenizer_text(tokenizer, ids[1]), "bbc");
  cr_assert_str_eq(xr_tokenizer_text(tokenizer, ids[2]), "bbc");
  cr_assert_eq(ids[1], 512 + 4, "the later of two equal spellings gives the id");
  xr_tokenizer_free(tokenizer);
}

Test(tokenizer, spells_every_byte_once) {
  bool seen[256] = {false};
  for (int byte = 0; byte < 256; byte++) {
    int id = xr_byte_id((unsigned char)byte);
    cr_assert(id >= 0 && id < 256 && !seen[id]);
    seen[id] = true;
  }
  static const struct {
    unsigned char byte;
    const char *spelling;
    int id;
  } known[] = {{'!', "!", 0}, {0, "\u0100", 188}, {' ', "\u0120", 220}, {173, "\u0143", 255}, {255, "\u00ff", 187}, {127, "\u0121", 221}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    char spelling[XR_SPELT_BYTE_MAX + 1] = "";
    spelling[xr_spell_byte(known[i].byte, spelling)] = '\0';
    cr_assert_str_eq(spelling, known[i].spelling);
    cr_assert_eq(xr_byte_id(known[i].byte), known[i].id);
  }
}

/* The spellings of the ids of a text, without the ends of words, are the bytes of the cleaned text without its spaces. */
Test(tokenizer, random_bytes_can_be_spelt_back) {
  xr_tokenizer *tokenizer = load_small(XR_TOKENIZER_CLIP);
  xr_random random = xr_random_start(xr_random_key(7, "tokenizer"), 0);
  static const char *const pieces[] = {"red ", "shirt", "\xe4\xb8\xad", "'s", "1", "\xcc\x81", "--", "\xf0\x9f\x98\x80", "caf\xc3\xa9"};
  for (int round = 0; round < 5000; round++) {
    char text[512] = "", expected[4096] = "", spelt[4096] = "";
    size_t n = 0;
    for (uint32_t i = xr_random_below(&random, 40); i; i--) {
      const char *piece = pieces[xr_random_below(&random, sizeof pieces / sizeof *pieces)];
      if (xr_random_below(&random, 2))
        n += strlen(strcpy(text + n, piece));
      else
        text[n++] = (char)(1 + xr_random_below(&random, 255));
    }
    text[n] = '\0';
    char *clean, *to = expected;
    int32_t *ids;
    int length;
    cr_assert_eq(xr_clean_text(text, n, &clean), XR_OK);
    for (const char *c = clean; *c; c++)
      if (*c != ' ') to += xr_spell_byte((unsigned char)*c, to);
    *to = '\0';
    cr_assert_eq(xr_tokenize_all(tokenizer, text, &ids, &length), XR_OK);
    to = spelt;
    for (int i = 1; i + 1 < length; i++) {
      const char *piece = xr_tokenizer_text(tokenizer, ids[i]), *end = strstr(piece, XR_WORD_END);
      to = mempcpy(to, piece, end ? (size_t)(end - piece) : strlen(piece));
    }
    *to = '\0';
    cr_assert_str_eq(spelt, expected);
    free(ids);
    free(clean);
  }
  xr_tokenizer_free(tokenizer);
}

Test(tokenizer, long_words_take_little_time) {
  xr_tokenizer *tokenizer = load_small(XR_TOKENIZER_CLIP);
  enum { LONG = 200000 };
  char *text = malloc(LONG + 1);
  for (int i = 0; i < LONG; i++) text[i] = "bbc"[i % 3];
  text[LONG] = '\0';
  int32_t *ids;
  int length;
  double start = xr_seconds();
  cr_assert_eq(xr_tokenize_all(tokenizer, text, &ids, &length), XR_OK);
  cr_assert_lt(xr_seconds() - start, 30.0, "merging takes time that grows with the square of the length");
  cr_assert(length > LONG / 8 && length < LONG);
  free(ids);
  free(text);
  xr_tokenizer_free(tokenizer);
}
