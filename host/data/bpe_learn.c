#include "host/data/bpe_learn.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/file.h"
#include "host/base/memory.h"
#include "host/data/string_ids.h"
#include "host/data/text_clean.h"
#include "host/data/tokenizer.h"
#include "host/data/words.h"

typedef struct {
  int32_t *piece; /* [pieces], shrinks as pieces are joined */
  size_t pieces;
  int64_t count; /* how often the captions have the word */
} word;

typedef struct {
  int32_t left, right;
  int64_t count;
  int32_t *words; /* in which it stands or stood; the last one is never entered twice in a row */
  size_t word_count, room;
} pair;

typedef struct {
  xr_arena *arena;
  xr_string_ids pieces, spellings; /* spellings: of whole words, byte for byte */
  word *words;
  size_t word_room;
  pair *pairs;
  size_t pair_count, pair_room;
  int32_t *slot; /* hash table of pairs by (left, right), -1: free */
  size_t slots;
} learner;

static void learner_free(learner *l) {
  for (size_t i = 0; i < l->pair_count; i++) free(l->pairs[i].words);
  free(l->pairs);
  free(l->slot);
  free(l->words);
  xr_string_ids_free(&l->pieces);
  xr_string_ids_free(&l->spellings);
  xr_arena_free(l->arena);
}

/* ---- words and how often they occur */

static xr_status spell(learner *l, const char *bytes, size_t count, word *out) {
  out->piece = XR_NEW_ARRAY(l->arena, int32_t, count);
  if (!out->piece) return XR_NO_MEMORY;
  out->pieces = count;
  for (size_t i = 0; i < count; i++) {
    char spelling[XR_SPELT_BYTE_MAX + XR_WORD_END_BYTES];
    size_t length = xr_spell_byte((unsigned char)bytes[i], spelling);
    if (i + 1 == count) {
      memcpy(spelling + length, XR_WORD_END, XR_WORD_END_BYTES);
      length += XR_WORD_END_BYTES;
    }
    XR_TRY(xr_string_id(&l->pieces, spelling, length, &out->piece[i]));
  }
  return XR_OK;
}

static xr_status count_word(learner *l, const char *bytes, size_t length) {
  if (length > 2 && memcmp(bytes, "<|", 2) == 0 && memcmp(bytes + length - 2, "|>", 2) == 0) return XR_OK; /* a special token */
  size_t known = l->spellings.count;
  int32_t id;
  XR_TRY(xr_string_id(&l->spellings, bytes, length, &id));
  if (l->spellings.count > known) {
    XR_TRY(xr_grow((void **)&l->words, &l->word_room, known, sizeof *l->words));
    l->words[known] = (word){0};
    XR_TRY(spell(l, bytes, length, &l->words[known]));
  }
  l->words[id].count++;
  return XR_OK;
}

static xr_status count_text(learner *l, const xr_words *splitter, const char *text) {
  char *clean;
  XR_TRY(xr_clean_text(text, strlen(text), &clean));
  xr_word_scan scan = {0};
  xr_status status = xr_word_scan_start(&scan, splitter, clean, strlen(clean));
  while (status == XR_OK) {
    const char *found;
    size_t length;
    status = xr_word_next(&scan, &found, &length);
    if (status != XR_OK || !found) break;
    status = count_word(l, found, length);
  }
  xr_word_scan_end(&scan);
  free(clean);
  return status;
}

static xr_status count_texts(learner *l, const char *const *texts, size_t count) {
  xr_words *splitter;
  XR_TRY(xr_words_new(&splitter, false));
  xr_status status = XR_OK;
  for (size_t i = 0; i < count && status == XR_OK; i++) {
    status = count_text(l, splitter, texts[i]);
    if (status != XR_OK) xr_fail_in(status, "caption %zu", i + 1);
  }
  xr_words_free(splitter);
  return status;
}

/* ---- pairs of pieces and how often they occur */

static size_t slot_of(const learner *l, int32_t left, int32_t right) {
  uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
  size_t mask = l->slots - 1, at = (size_t)(key >> 32) & mask;
  for (; l->slot[at] >= 0; at = (at + 1) & mask)
    if (l->pairs[l->slot[at]].left == left && l->pairs[l->slot[at]].right == right) break;
  return at;
}

static xr_status enlarge_table(learner *l) {
  size_t slots = l->slots ? l->slots * 2 : 4096;
  int32_t *slot = malloc(slots * sizeof *slot);
  if (!slot) return xr_fail(XR_NO_MEMORY, "out of memory for %zu pairs", slots / 2);
  memset(slot, 0xff, slots * sizeof *slot);
  free(l->slot);
  l->slot = slot;
  l->slots = slots;
  for (size_t i = 0; i < l->pair_count; i++) slot[slot_of(l, l->pairs[i].left, l->pairs[i].right)] = (int32_t)i;
  return XR_OK;
}

static xr_status add_to_pair(learner *l, int32_t left, int32_t right, int32_t in_word, int64_t count) {
  if (2 * (l->pair_count + 1) > l->slots) XR_TRY(enlarge_table(l));
  size_t at = slot_of(l, left, right);
  if (l->slot[at] < 0) {
    XR_TRY(xr_grow((void **)&l->pairs, &l->pair_room, l->pair_count, sizeof *l->pairs));
    l->pairs[l->pair_count] = (pair){.left = left, .right = right};
    l->slot[at] = (int32_t)l->pair_count++;
  }
  pair *p = &l->pairs[l->slot[at]];
  p->count += count;
  if (count < 0 || (p->word_count && p->words[p->word_count - 1] == in_word)) return XR_OK;
  XR_TRY(xr_grow((void **)&p->words, &p->room, p->word_count, sizeof *p->words));
  p->words[p->word_count++] = in_word;
  return XR_OK;
}

static xr_status add_word_pairs(learner *l, int32_t index, int sign) {
  const word *w = &l->words[index];
  for (size_t i = 0; i + 1 < w->pieces; i++) XR_TRY(add_to_pair(l, w->piece[i], w->piece[i + 1], index, sign * w->count));
  return XR_OK;
}

static bool comes_before(const learner *l, const pair *a, const pair *b) {
  if (a->count != b->count) return a->count > b->count;
  int order = strcmp(l->pieces.text[a->left], l->pieces.text[b->left]);
  return (order ? order : strcmp(l->pieces.text[a->right], l->pieces.text[b->right])) < 0;
}

static const pair *best_pair(const learner *l) {
  const pair *best = NULL;
  for (size_t i = 0; i < l->pair_count; i++)
    if (l->pairs[i].count > 0 && (!best || comes_before(l, &l->pairs[i], best))) best = &l->pairs[i];
  return best;
}

static bool has_pair(const word *w, int32_t left, int32_t right) {
  for (size_t i = 0; i + 1 < w->pieces; i++)
    if (w->piece[i] == left && w->piece[i + 1] == right) return true;
  return false;
}

static void join_in_word(word *w, int32_t left, int32_t right, int32_t made) {
  size_t n = 0;
  for (size_t i = 0; i < w->pieces; i++) {
    bool here = i + 1 < w->pieces && w->piece[i] == left && w->piece[i + 1] == right;
    w->piece[n++] = here ? made : w->piece[i];
    i += here;
  }
  w->pieces = n;
}

static xr_status join_pair(learner *l, int32_t left, int32_t right) {
  const char *a = l->pieces.text[left], *b = l->pieces.text[right];
  char *joined = xr_arena_format(l->arena, "%s%s", a, b);
  int32_t made;
  if (!joined) return XR_NO_MEMORY;
  XR_TRY(xr_string_id(&l->pieces, joined, strlen(joined), &made));
  size_t index = (size_t)l->slot[slot_of(l, left, right)], word_count = l->pairs[index].word_count;
  for (size_t i = 0; i < word_count; i++) {
    int32_t at = l->pairs[index].words[i]; /* the list may move while pairs are added, but this one only keeps or loses words */
    if (!has_pair(&l->words[at], left, right)) continue;
    XR_TRY(add_word_pairs(l, at, -1));
    join_in_word(&l->words[at], left, right, made);
    XR_TRY(add_word_pairs(l, at, 1));
  }
  return XR_OK;
}

/* ---- the file */

static xr_status learn(learner *l, const char *const *texts, size_t count, int merges, FILE *out) {
  l->arena = l->pieces.arena = l->spellings.arena = xr_arena_new();
  if (!l->arena) return XR_NO_MEMORY;
  XR_TRY(count_texts(l, texts, count));
  for (size_t i = 0; i < l->spellings.count; i++) XR_TRY(add_word_pairs(l, (int32_t)i, 1));
  fprintf(out, "#version: byte pairs learnt by xreid from %zu captions\n", count);
  for (int done = 0; done < merges; done++) {
    const pair *best = best_pair(l);
    if (!best) break;
    int32_t left = best->left, right = best->right;
    fprintf(out, "%s %s\n", l->pieces.text[left], l->pieces.text[right]);
    XR_TRY(join_pair(l, left, right));
  }
  return XR_OK;
}

xr_status xr_bpe_learn(const char *const *texts, size_t count, int merges, const char *path) {
  if (merges < 0 || merges > XR_CLIP_MERGES)
    return xr_fail(XR_BAD_ARGUMENT, "a vocabulary of %d merges cannot be learnt; 0 to %d are possible", merges, XR_CLIP_MERGES);
  char *file = NULL;
  size_t bytes = 0;
  FILE *out = open_memstream(&file, &bytes);
  if (!out) return xr_fail(XR_NO_MEMORY, "out of memory");
  learner l = {0};
  xr_status status = learn(&l, texts, count, merges, out);
  if (fclose(out) != 0 && status == XR_OK) status = xr_fail(XR_NO_MEMORY, "out of memory");
  if (status == XR_OK) status = xr_write_file(path, file, bytes);
  learner_free(&l);
  free(file);
  return status;
}
