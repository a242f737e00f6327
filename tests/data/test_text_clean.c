#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "host/base/random.h"
#include "host/data/text_clean.h"
#include "tests/support/text_golden.h"

static char *clean(const char *text, size_t bytes) {
  char *out;
  cr_assert(xr_clean_text(text, bytes, &out) == XR_OK, "%s", xr_message());
  return out;
}

static void expect(const char *text, const char *cleaned) {
  char *out = clean(text, strlen(text));
  cr_assert_str_eq(out, cleaned);
  free(out);
}

Test(text_clean, equals_ftfy_and_clip) {
  static xr_golden_text text;
  xr_text_golden golden = xr_text_golden_open();
  cr_assert_geq(golden.texts, 205);
  for (size_t i = 0; i < golden.texts; i++) {
    xr_text_golden_get(&golden, i, &text);
    char *out = clean(text.bytes, text.count);
    cr_assert(strcmp(out, text.clean) == 0, "text %zu '%s': '%s' instead of '%s'", i, text.bytes, out, text.clean);
    free(out);
  }
  xr_text_golden_close(&golden);
}

Test(text_clean, repairs_misread_text) {
  expect("it\u00e2\u20ac\u2122s a caf\u00c3\u00a9", "it's a caf\u00e9");
  expect("\u00c3\u0192\u00c2\u00a9", "\u00e9"); /* twice */
  expect("\u00e2\u20ac\u0153red\u00e2\u20ac\xc2\x9d", "\"red\"");
  expect("100\u00c2\u00a0m", "100 m");
  expect("\u00c5ngstr\u00f6m, \u00c2ge", "\u00e5ngstr\u00f6m, \u00e2ge"); /* good text stays */
}

Test(text_clean, lower_cases_like_python) {
  expect("\u039f\u0394\u039f\u03a3 \u03a3\u0399\u0393\u039c\u0391", "\u03bf\u03b4\u03bf\u03c2 \u03c3\u03b9\u03b3\u03bc\u03b1");
  expect("\u0130", "i\u0307");
}

Test(text_clean, keeps_references_of_real_html_from_the_first_bracket_on) {
  expect("&EACUTE;\n<\n&EACUTE;", "\u00e9 < &eacute;"); /* capitals are known to ftfy only */
}

Test(text_clean, refuses_texts_that_are_too_long) {
  char *text = malloc(XR_TEXT_MAX + 1), *out;
  memset(text, 'a', XR_TEXT_MAX + 1);
  cr_assert_eq(xr_clean_text(text, XR_TEXT_MAX + 1, &out), XR_BAD_INPUT);
  cr_assert_null(out);
  cr_assert(xr_clean_text(text, XR_TEXT_MAX, &out) == XR_OK, "%s", xr_message());
  cr_assert_eq(strlen(out), XR_TEXT_MAX);
  free(out);
  free(text);
}

/* Pieces that set the repairs off, so that random texts reach more than the first lines of each. */
static const char *const pieces[] = {"\xc3\x83\xc2\xa9",
                                     "\xc3\xa2\xe2\x82\xac\xe2\x84\xa2",
                                     "\xef\xbf\xbd",
                                     "&amp;",
                                     "&#x",
                                     "&",
                                     ";",
                                     "\x1b[3",
                                     "\xed\xa0\xbd",
                                     "\xed\xb8\x80",
                                     "<",
                                     "\n",
                                     " ",
                                     "\xc3\x82 ",
                                     "\xc3\xb0\xc5\xb8",
                                     "\xce\xa3",
                                     "\xef\xac\x83",
                                     "\xef\xbd\xb6\xef\xbe\x9e",
                                     "\xcc\x81",
                                     "a"};

static size_t random_text(xr_random *random, char *text, size_t room) {
  size_t count = 0, wanted = xr_random_below(random, 60);
  for (size_t i = 0; i < wanted && count + 10 < room; i++) {
    if (xr_random_below(random, 2)) {
      text[count++] = (char)xr_random_below(random, 256);
    } else {
      const char *piece = pieces[xr_random_below(random, sizeof pieces / sizeof *pieces)];
      count += strlen(strcpy(text + count, piece));
    }
  }
  return count;
}

static void expect_clean_utf8(const char *text) {
  size_t bytes = strlen(text);
  cr_assert(bytes == 0 || (text[0] != ' ' && text[bytes - 1] != ' '), "'%s' has space at its ends", text);
  cr_assert_null(strstr(text, "  "));
  for (size_t i = 0; i < bytes;) {
    utf8proc_int32_t point;
    utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(bytes - i), &point);
    cr_assert_gt(length, 0, "byte %zu is not UTF-8", i);
    cr_assert(point == ' ' || point > 0x20, "control U+%04X", (unsigned)point);
    i += (size_t)length;
  }
}

Test(text_clean, random_bytes_become_clean_utf8) {
  xr_random random = xr_random_start(xr_random_key(7, "text_clean"), 0);
  for (int round = 0; round < 20000; round++) {
    char text[1024];
    size_t count = random_text(&random, text, sizeof text);
    char *heap = malloc(count + 1); /* of the exact size, so that reading past the end shows */
    memcpy(heap, text, count);
    char *out = clean(heap, count);
    expect_clean_utf8(out);
    free(out);
    free(heap);
  }
}
