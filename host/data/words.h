/* Splits a cleaned caption into the words that byte pairs are merged within, and spells bytes as printable characters (CLIP's rules,
 * openai/CLIP clip/simple_tokenizer.py, which took the spelling from GPT-2).
 *
 * A word is the first of these that fits: a special token, 's 't 're 've 'm 'll 'd, a run of letters, one number character, a run of
 * anything else but white space and U+0345. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

/* Compiled once, used by any number of threads. `mask`: <|mask|> is a special token beside <|startoftext|> and <|endoftext|>. */
typedef struct xr_words xr_words;
xr_status xr_words_new(xr_words **words, bool mask);
void xr_words_free(xr_words *words); /* NULL is allowed */

typedef struct {
  const xr_words *words;
  void *match;
  const char *text;
  size_t bytes, at;
} xr_word_scan;
xr_status xr_word_scan_start(xr_word_scan *scan, const xr_words *words, const char *clean, size_t bytes);
xr_status xr_word_next(xr_word_scan *scan, const char **word, size_t *bytes); /* *word = NULL at the end */
void xr_word_scan_end(xr_word_scan *scan);

/* The vocabulary's number of one byte, 0..255: the printable ones first, in increasing order, then the others. */
int xr_byte_id(unsigned char byte);

/* Writes the byte's printable character as UTF-8 (1 or 2 bytes); returns how many. Bytes 33-126, 161-172 and 174-255 stand for the
 * character of the same number, the other 68, in increasing order, for U+0100 and what follows. */
size_t xr_spell_byte(unsigned char byte, char *utf8);

#define XR_WORD_END "</w>" /* follows the last character of a word's last piece */
enum { XR_SPELT_BYTE_MAX = 2, XR_WORD_END_BYTES = sizeof XR_WORD_END - 1 };
