/* Learns a byte-pair vocabulary from captions (Sennrich, Haddow, Birch, "Neural machine translation of rare words with subword
 * units", 2016), in the form that tokenizer.h reads and with its cleaning, words and spelling. */
#pragma once

#include <stddef.h>

#include "host/base/status.h"

/* Joins the most frequent pair of neighbouring pieces within words, `merges` times, and writes the merges to `path`, one a line after
 * a first line with a version comment. Among equally frequent pairs the one whose pieces, as the file spells them, come first in
 * byte order wins, so equal captions in any order give equal files. When no pair is left, the file holds fewer merges.
 * texts[count] is UTF-8. 0 <= merges <= XR_CLIP_MERGES, the most that a tokenizer uses. */
xr_status xr_bpe_learn(const char *const *texts, size_t count, int merges, const char *path);
