/* CLIP's byte-pair tokenizer, exact to the id (openai/CLIP clip/simple_tokenizer.py, and IRRA's variant of it).
 *
 *   clean the caption (text_clean.h) -> split it into words (words.h) -> spell each word's bytes, the last one with "</w>"
 *   -> in each word, as long as the table has a merge for a pair of neighbours: do the earliest of these merges, everywhere
 *
 * Ids: 256 bytes, the same 256 with "</w>", one for each merge in the order of the file, start, end. CLIP's file gives 49,408. */
#pragma once

#include <stdint.h>

#include "host/base/status.h"

typedef enum {
  XR_TOKENIZER_CLIP,
  XR_TOKENIZER_IRRA /* the text "<|mask|>" is the mask; everything else, the last merge's word ("jekyll") included, as with CLIP */
} xr_tokenizer_variant;

enum { XR_CLIP_MERGES = 49152 - 256 - 2 };

typedef struct xr_tokenizer xr_tokenizer; /* never changes after loading: any number of threads may use it at once */

/* Reads a merges file, plain or gzip: a first line with "#version", then one merge a line, two pieces with a space between them.
 * Of longer files only the first XR_CLIP_MERGES merges count. Errors name the file and the line: XR_NOT_FOUND; XR_BAD_INPUT for a
 * damaged file, a line without two pieces, a merge that stands there twice, a piece that no byte and no earlier line makes. */
xr_status xr_tokenizer_load(xr_tokenizer **tokenizer, const char *merges_path, xr_tokenizer_variant variant);
void xr_tokenizer_free(xr_tokenizer *tokenizer); /* NULL is allowed */

int xr_tokenizer_size(const xr_tokenizer *tokenizer); /* number of ids: 512 + merges + 2 */
int xr_tokenizer_start(const xr_tokenizer *tokenizer);
int xr_tokenizer_end(const xr_tokenizer *tokenizer);

/* The id that masked language modelling puts in place of a word: IRRA's, the last merge's (49405 with CLIP's file). */
int xr_tokenizer_mask(const xr_tokenizer *tokenizer);

/* ids[context]: start, the caption's tokens, end, then 0s. A longer caption is cut and its last id is the end. *length counts start
 * and end, at most `context`. 2 <= context. Text that is not UTF-8: as text_clean.h says. XR_BAD_INPUT: longer than XR_TEXT_MAX. */
xr_status xr_tokenize(const xr_tokenizer *tokenizer, const char *utf8, int context, int32_t *ids, int *length);

/* All ids, start and end included, however many (malloc; the caller frees *ids). */
xr_status xr_tokenize_all(const xr_tokenizer *tokenizer, const char *utf8, int32_t **ids, int *length);

/* The piece as the vocabulary spells it ("shirt</w>"); NULL when there is no such id. */
const char *xr_tokenizer_text(const xr_tokenizer *tokenizer, int32_t id);
