/* tests/golden/tokenizer.json: captions, cleaned and tokenized by the rules of CLIP in Python (tests/oracle/tokenizer.py). */
#pragma once

#include <jansson.h>
#include <stddef.h>

enum { XR_SMALL_MERGES = 120, XR_LONGEST_TEXT = 1 << 16 };

typedef struct {
  json_t *document;
  size_t texts;
} xr_text_golden;

typedef struct {
  char bytes[XR_LONGEST_TEXT]; /* the caption, with a zero byte after the end */
  size_t count;
  const char *clean;
  const json_t *clip, *small; /* all ids with CLIP's merges and with tests/golden/small_merges.txt */
} xr_golden_text;

xr_text_golden xr_text_golden_open(void); /* fails the test when it cannot */
void xr_text_golden_close(xr_text_golden *golden);
void xr_text_golden_get(const xr_text_golden *golden, size_t index, xr_golden_text *text);

const char *xr_small_merges_path(char path[512]);

/* CLIP's merges file: $XREID_CLIP_VOCABULARY, else shared/clip beside the repository; skips the test when there is none. */
const char *xr_clip_merges_path(char path[512]);
