#include "tests/support/text_golden.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"

xr_text_golden xr_text_golden_open(void) {
  json_error_t error;
  xr_text_golden golden = {.document = json_load_file(XREID_TEST_FOLDER "/golden/tokenizer.json", 0, &error)};
  cr_assert(golden.document, "tokenizer.json, line %d: %s", error.line, error.text);
  golden.texts = json_array_size(json_object_get(golden.document, "texts"));
  return golden;
}

void xr_text_golden_close(xr_text_golden *golden) { json_decref(golden->document); }

void xr_text_golden_get(const xr_text_golden *golden, size_t index, xr_golden_text *text) {
  const json_t *record = json_array_get(json_object_get(golden->document, "texts"), index);
  const char *hex = json_string_value(json_object_get(record, "hex"));
  text->clean = json_string_value(json_object_get(record, "clean"));
  text->clip = json_object_get(record, "clip");
  text->small = json_object_get(record, "small");
  cr_assert(hex && text->clean && json_array_size(text->clip) >= 2 && json_array_size(text->small) >= 2, "record %zu", index);
  text->count = strlen(hex) / 2;
  cr_assert_lt(text->count, XR_LONGEST_TEXT);
  for (size_t i = 0; i < text->count; i++) {
    unsigned byte = 0;
    cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
    text->bytes[i] = (char)byte;
  }
  text->bytes[text->count] = '\0';
}

const char *xr_small_merges_path(char path[512]) {
  snprintf(path, 512, "%s/golden/small_merges.txt", XREID_TEST_FOLDER);
  return path;
}

const char *xr_clip_merges_path(char path[512]) {
  const char *set = getenv("XREID_CLIP_VOCABULARY");
  if (set)
    snprintf(path, 512, "%s", set);
  else
    snprintf(path, 512, "%s/../../shared/clip/bpe_simple_vocab_16e6.txt.gz", XREID_TEST_FOLDER);
  if (!xr_is_file(path)) cr_skip_test("%s: CLIP's merges file is not there; set XREID_CLIP_VOCABULARY", path);
  return path;
}
