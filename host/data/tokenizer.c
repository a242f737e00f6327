#include "host/data/tokenizer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/data/string_ids.h"
#include "host/data/text_clean.h"
#include "host/data/words.h"
#include "host/io/text_file.h"

enum { BYTES = 256, FIRST_MERGE = 2 * BYTES, NONE = -1 };

/* A symbol is a piece's spelling. Two merges can make the same spelling; then both ids are taken, and the later one is used. */
typedef struct {
  int32_t left, right, made; /* symbols */
  int32_t rank;              /* NONE: this slot is free */
} merge;

struct xr_tokenizer {
  xr_arena *arena;
  xr_tokenizer_variant variant;
  int32_t merges;
  xr_string_ids symbols;
  int32_t *id_of;       /* [symbols] */
  const char **text_of; /* [size] */
  merge *table;         /* hash table by (left, right) */
  size_t slots;
  xr_words *words;
};

static const char *const special[] = {"<|startoftext|>", "<|endoftext|>", "<|mask|>"};

int xr_tokenizer_size(const xr_tokenizer *t) { return FIRST_MERGE + t->merges + 2; }
int xr_tokenizer_start(const xr_tokenizer *t) { return FIRST_MERGE + t->merges; }
int xr_tokenizer_end(const xr_tokenizer *t) { return FIRST_MERGE + t->merges + 1; }
int xr_tokenizer_mask(const xr_tokenizer *t) { return FIRST_MERGE + t->merges - 1; }

static int special_id(const xr_tokenizer *t, int which) {
  return which == 0 ? xr_tokenizer_start(t) : which == 1 ? xr_tokenizer_end(t) : xr_tokenizer_mask(t);
}

const char *xr_tokenizer_text(const xr_tokenizer *t, int32_t id) { return id < 0 || id >= xr_tokenizer_size(t) ? NULL : t->text_of[id]; }

static merge *slot_of(const xr_tokenizer *t, int32_t left, int32_t right) {
  uint64_t key = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
  size_t mask = t->slots - 1, at = (size_t)(key >> 32) & mask;
  while (t->table[at].rank != NONE && (t->table[at].left != left || t->table[at].right != right)) at = (at + 1) & mask;
  return &t->table[at];
}

/* ---- loading */

static xr_status add_bytes(xr_tokenizer *t) {
  char spelling[BYTES][XR_SPELT_BYTE_MAX + XR_WORD_END_BYTES];
  size_t length[BYTES];
  for (int byte = 0; byte < BYTES; byte++) {
    int id = xr_byte_id((unsigned char)byte);
    length[id] = xr_spell_byte((unsigned char)byte, spelling[id]);
    memcpy(spelling[id] + length[id], XR_WORD_END, XR_WORD_END_BYTES);
  }
  for (int end = 0; end < 2; end++)
    for (int id = 0; id < BYTES; id++) {
      int32_t symbol;
      XR_TRY(xr_string_id(&t->symbols, spelling[id], length[id] + (end ? XR_WORD_END_BYTES : 0), &symbol));
      t->id_of[symbol] = end * BYTES + id;
      t->text_of[end * BYTES + id] = t->symbols.text[symbol];
    }
  return XR_OK;
}

static xr_status add_merge(xr_tokenizer *t, const char *path, const char *line, size_t bytes, char *joined) {
  int32_t rank = t->merges, number = rank + 2;
  const char *space = memchr(line, ' ', bytes);
  size_t left_bytes = space ? (size_t)(space - line) : 0, right_bytes = space ? bytes - left_bytes - 1 : 0;
  if (!left_bytes || !right_bytes || memchr(space + 1, ' ', right_bytes))
    return xr_fail(XR_BAD_INPUT, "%s: line %d: two pieces with one space between them are expected", path, number);
  int32_t left = xr_string_find(&t->symbols, line, left_bytes), right = xr_string_find(&t->symbols, space + 1, right_bytes);
  if (left < 0 || right < 0)
    return xr_fail(XR_BAD_INPUT, "%s: line %d: piece '%.*s' is neither a byte nor made by an earlier line", path, number,
                   (int)(left < 0 ? left_bytes : right_bytes), left < 0 ? line : space + 1);
  merge *slot = slot_of(t, left, right);
  if (slot->rank != NONE)
    return xr_fail(XR_BAD_INPUT, "%s: line %d: the merge '%.*s' stands in line %d already", path, number, (int)bytes, line, slot->rank + 2);
  memcpy(joined, line, left_bytes);
  memcpy(joined + left_bytes, space + 1, right_bytes);
  int32_t made;
  XR_TRY(xr_string_id(&t->symbols, joined, left_bytes + right_bytes, &made));
  *slot = (merge){.left = left, .right = right, .made = made, .rank = rank};
  t->id_of[made] = FIRST_MERGE + rank;
  t->text_of[FIRST_MERGE + rank] = t->symbols.text[made];
  t->merges++;
  return XR_OK;
}

static xr_status make_tables(xr_tokenizer *t, size_t lines) {
  size_t ids = FIRST_MERGE + lines + 2;
  for (t->slots = 1024; t->slots < 2 * lines; t->slots *= 2) {}
  t->id_of = XR_NEW_ARRAY(t->arena, int32_t, ids);
  t->text_of = XR_NEW_ARRAY(t->arena, const char *, ids);
  t->table = XR_NEW_ARRAY(t->arena, merge, t->slots);
  if (!t->id_of || !t->text_of || !t->table) return XR_NO_MEMORY;
  for (size_t i = 0; i < t->slots; i++) t->table[i].rank = NONE;
  return XR_OK;
}

static xr_status read_merges(xr_tokenizer *t, const char *path, const char *text, size_t bytes) {
  const char *end = text + bytes, *line = memchr(text, '\n', bytes);
  if (!line || !memmem(text, (size_t)(line - text), "#version", 8))
    return xr_fail(XR_BAD_INPUT, "%s: line 1: a version comment (#version ...) is expected; is this a file of byte-pair merges?", path);
  size_t lines = 0, longest = 0;
  for (const char *at = ++line, *next; at < end && lines < XR_CLIP_MERGES; at = next + 1, lines++) {
    next = memchr(at, '\n', (size_t)(end - at));
    if (!next) next = end;
    if ((size_t)(next - at) > longest) longest = (size_t)(next - at);
  }
  XR_TRY(make_tables(t, lines));
  XR_TRY(add_bytes(t));
  char *joined = malloc(longest + 1);
  xr_status status = joined ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory");
  for (size_t i = 0; i < lines && status == XR_OK; i++) {
    const char *next = memchr(line, '\n', (size_t)(end - line));
    size_t length = (size_t)((next ? next : end) - line);
    status = add_merge(t, path, line, length && line[length - 1] == '\r' ? length - 1 : length, joined);
    line = next ? next + 1 : end;
  }
  free(joined);
  if (status != XR_OK) return status;
  t->text_of[xr_tokenizer_start(t)] = special[0];
  t->text_of[xr_tokenizer_end(t)] = special[1];
  if (t->variant == XR_TOKENIZER_IRRA) t->text_of[xr_tokenizer_mask(t)] = special[2];
  return XR_OK;
}

static xr_status load(xr_tokenizer *t, const char *path) {
  char *text;
  size_t bytes;
  t->arena = t->symbols.arena = xr_arena_new();
  if (!t->arena) return XR_NO_MEMORY;
  XR_TRY(xr_words_new(&t->words, t->variant == XR_TOKENIZER_IRRA));
  xr_status status = xr_read_text_file(path, &text, &bytes);
  if (status == XR_NOT_FOUND)
    return xr_fail(status,
                   "vocabulary file %s not found; download bpe_simple_vocab_16e6.txt.gz (repository openai/CLIP, folder clip) and set "
                   "text.vocabulary to its path",
                   path);
  if (status == XR_OK) status = read_merges(t, path, text, bytes);
  free(text);
  return status;
}

xr_status xr_tokenizer_load(xr_tokenizer **tokenizer, const char *merges_path, xr_tokenizer_variant variant) {
  *tokenizer = calloc(1, sizeof **tokenizer);
  if (!*tokenizer) return xr_fail(XR_NO_MEMORY, "out of memory");
  (*tokenizer)->variant = variant;
  xr_status status = load(*tokenizer, merges_path);
  if (status != XR_OK) {
    xr_tokenizer_free(*tokenizer);
    *tokenizer = NULL;
  }
  return status;
}

void xr_tokenizer_free(xr_tokenizer *t) {
  if (!t) return;
  xr_words_free(t->words);
  xr_string_ids_free(&t->symbols);
  xr_arena_free(t->arena);
  free(t);
}

/* ---- merging within one word */

typedef struct {
  int32_t symbol, before, after; /* neighbours in the word; NONE: none */
} node;

typedef struct {
  int32_t rank, at;
} candidate; /* the pair of the node `at` and the one after it */

/* Room for the longest word of a text. A word of n bytes has at most 3 n candidates: n - 1 at first, two more a merge. */
typedef struct {
  node *nodes;
  candidate *heap; /* the smallest (rank, at) first */
  size_t heap_count;
  int32_t *batch;
} workspace;

static bool comes_first(candidate a, candidate b) { return a.rank != b.rank ? a.rank < b.rank : a.at < b.at; }

static void push(workspace *w, candidate c) {
  size_t i = w->heap_count++;
  for (; i && comes_first(c, w->heap[(i - 1) / 2]); i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
  w->heap[i] = c;
}

static candidate pop(workspace *w) {
  candidate top = w->heap[0], last = w->heap[--w->heap_count];
  size_t i = 0;
  for (size_t child = 1; child < w->heap_count; child = 2 * i + 1) {
    if (child + 1 < w->heap_count && comes_first(w->heap[child + 1], w->heap[child])) child++;
    if (!comes_first(w->heap[child], last)) break;
    w->heap[i] = w->heap[child];
    i = child;
  }
  w->heap[i] = last;
  return top;
}

/* The merge of the node `at` and the one after it; NULL: there is none. A node that was merged away has the symbol NONE. */
static const merge *merge_at(const xr_tokenizer *t, const workspace *w, int32_t at) {
  if (at == NONE || w->nodes[at].symbol == NONE || w->nodes[at].after == NONE) return NULL;
  const merge *found = slot_of(t, w->nodes[at].symbol, w->nodes[w->nodes[at].after].symbol);
  return found->rank == NONE ? NULL : found;
}

static void push_merge(const xr_tokenizer *t, workspace *w, int32_t at) {
  const merge *found = merge_at(t, w, at);
  if (found) push(w, (candidate){found->rank, at});
}

static void join(workspace *w, int32_t at, int32_t made) {
  int32_t gone = w->nodes[at].after, after = w->nodes[gone].after;
  w->nodes[at].symbol = made;
  w->nodes[at].after = after;
  if (after != NONE) w->nodes[after].before = at;
  w->nodes[gone].symbol = NONE;
}

static void merge_word(const xr_tokenizer *t, workspace *w, const char *word, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    int id = xr_byte_id((unsigned char)word[i]) + (i + 1 == bytes ? BYTES : 0);
    w->nodes[i] = (node){.symbol = id, .before = (int32_t)i - 1, .after = i + 1 == bytes ? NONE : (int32_t)i + 1};
  }
  w->heap_count = 0;
  for (size_t i = 0; i + 1 < bytes; i++) push_merge(t, w, (int32_t)i);
  while (w->heap_count) {
    /* all places of one merge before any other, even one of a lower rank that the first place has made possible */
    int32_t rank = w->heap[0].rank;
    size_t joined = 0;
    while (w->heap_count && w->heap[0].rank == rank) {
      int32_t at = pop(w).at;
      const merge *found = merge_at(t, w, at);
      if (!found || found->rank != rank) continue;
      join(w, at, found->made);
      w->batch[joined++] = at;
    }
    for (size_t i = 0; i < joined; i++) {
      push_merge(t, w, w->nodes[w->batch[i]].before);
      push_merge(t, w, w->batch[i]);
    }
  }
}

/* ---- whole captions */

typedef struct {
  int32_t *id;
  size_t count, room;
} id_list;

static xr_status add_id(id_list *list, int32_t id) {
  XR_TRY(xr_grow((void **)&list->id, &list->room, list->count, sizeof *list->id));
  list->id[list->count++] = id;
  return XR_OK;
}

static xr_status add_word(const xr_tokenizer *t, workspace *w, const char *word, size_t bytes, id_list *list) {
  for (int i = 0; i < (t->variant == XR_TOKENIZER_IRRA ? 3 : 2); i++)
    if (strlen(special[i]) == bytes && memcmp(special[i], word, bytes) == 0) return add_id(list, special_id(t, i));
  merge_word(t, w, word, bytes);
  for (int32_t at = 0; at != NONE; at = w->nodes[at].after) XR_TRY(add_id(list, t->id_of[w->nodes[at].symbol]));
  return XR_OK;
}

static xr_status add_words(const xr_tokenizer *t, const char *clean, id_list *list) {
  size_t bytes = strlen(clean), room = bytes ? bytes : 1;
  workspace w = {
      .nodes = malloc(room * sizeof *w.nodes), .heap = malloc(3 * room * sizeof *w.heap), .batch = malloc(room * sizeof *w.batch)};
  xr_word_scan scan = {0};
  xr_status status = w.nodes && w.heap && w.batch ? xr_word_scan_start(&scan, t->words, clean, bytes)
                                                  : xr_fail(XR_NO_MEMORY, "out of memory for a caption of %zu bytes", bytes);
  while (status == XR_OK) {
    const char *word;
    size_t length;
    status = xr_word_next(&scan, &word, &length);
    if (status != XR_OK || !word) break;
    status = add_word(t, &w, word, length, list);
  }
  xr_word_scan_end(&scan);
  free(w.nodes);
  free(w.heap);
  free(w.batch);
  return status;
}

xr_status xr_tokenize_all(const xr_tokenizer *t, const char *utf8, int32_t **ids, int *length) {
  char *clean;
  *ids = NULL;
  *length = 0;
  XR_TRY(xr_clean_text(utf8, strlen(utf8), &clean));
  id_list list = {0};
  xr_status status = add_id(&list, xr_tokenizer_start(t));
  if (status == XR_OK) status = add_words(t, clean, &list);
  if (status == XR_OK) status = add_id(&list, xr_tokenizer_end(t));
  free(clean);
  if (status != XR_OK) {
    free(list.id);
    return status;
  }
  *ids = list.id;
  *length = (int)list.count;
  return XR_OK;
}

xr_status xr_tokenize(const xr_tokenizer *t, const char *utf8, int context, int32_t *ids, int *length) {
  int32_t *all;
  int count;
  if (context < 2) return xr_fail(XR_BAD_ARGUMENT, "a context of %d has no room for start and end", context);
  XR_TRY(xr_tokenize_all(t, utf8, &all, &count));
  *length = count < context ? count : context;
  memcpy(ids, all, (size_t)*length * sizeof *ids);
  memset(ids + *length, 0, (size_t)(context - *length) * sizeof *ids);
  ids[*length - 1] = xr_tokenizer_end(t);
  free(all);
  return XR_OK;
}
