/* The cleaning that CLIP's tokenizer does before it splits a caption into words (openai/CLIP clip/simple_tokenizer.py):
 *
 *   lower(collapse white space(strip(unescape HTML(unescape HTML(fix_text(text))))))
 *
 * fix_text is ftfy's (version 6.3 with its default settings): line by line, until nothing changes,
 *   HTML references that end in ";" (unless this line or one before it holds a "<"), misread encodings (text_encoding.h), C1
 *   controls as Windows-1252 (0x85 is an ellipsis), Latin ligatures, full and half width forms, curly quotes, line breaks,
 *   surrogates, terminal escapes, control characters and byte order marks, NFC.
 *
 * Tested to be equal to Python 3.11 with ftfy 6.3.1 on all of Unicode 14, one character at a time and in some contexts, and on
 * millions of characters of random, misread and damaged text. Not covered: characters newer than the Unicode of the installed
 * utf8proc stay as they are in lower-casing and NFC. Text in which references are nested n deep (&amp;amp;amp;...) takes time that
 * grows with n * n, as in ftfy. */
#pragma once

#include <stddef.h>

#include "host/base/status.h"

enum { XR_TEXT_MAX = 1000000 }; /* bytes of one caption; ftfy itself cuts lines there */

/* Cleans utf8[0..bytes); *clean is fresh UTF-8 without zero bytes (malloc; the caller frees it). What is not UTF-8 counts as U+FFFD
 * (text_points.h says how often), a zero byte is a control character. XR_BAD_INPUT: longer than XR_TEXT_MAX. */
xr_status xr_clean_text(const char *utf8, size_t bytes, char **clean);
