#include "host/data/text_encoding.h"

#include <stdlib.h>
#include <string.h>
#include <uchar.h>
#include <utf8proc.h>

#include "host/data/text_tables.h"

/* ---- which text is suspect */

enum {                    /* classes that need no table */
       SMALL = 1 << 19,   /* a-z */
       CAPITAL = 1 << 20, /* A-Z */
       NOT_LATIN = 1 << 21,
       SPACE = 1 << 22,
       WORD = 1 << 23, /* letters, numbers and the low line */
       NOT_NEWLINE = 1 << 24
};
enum {
  ACCENTED = XR_UPPER_ACCENTED | XR_LOWER_ACCENTED,
  MARKS = XR_OPENING | XR_CLOSING,
  SIGNS = XR_CURRENCY | XR_NUMERIC | XR_LAW,
  STRAY = XR_CONTROL | XR_BAD | MARKS | XR_CURRENCY, /* what a lost continuation byte looks like */
  ARABIC = XR_COMMON | XR_CURRENCY | XR_BAD | XR_NUMERIC | XR_OPENING,
  LONGEST_RULE = 7
};

/* One character of a suspect sequence: of one of the classes, or one of the others. */
typedef struct {
  uint32_t classes;
  const char16_t *others;
} element;

typedef struct {
  bool at_start; /* only at the start of the text */
  element element[LONGEST_RULE];
} rule;

#define IN(...) \
  { __VA_ARGS__, NULL }
#define ONE_OF(text) \
  { 0, u"" text }
#define IN_OR(classes, text) \
  { (classes), u"" text }

static const rule rules[] = {
    {false, {IN(XR_CONTROL)}},
    {false, {IN(XR_BAD | ACCENTED | XR_BOX | MARKS | SIGNS), IN(XR_BAD)}},
    {false, {IN(SMALL | CAPITAL), IN(XR_LOWER_COMMON | XR_UPPER_COMMON), IN(XR_BAD)}},
    {false, {IN(XR_BAD), IN(ACCENTED | XR_BOX | MARKS | SIGNS)}},
    {false, {IN(XR_LOWER_ACCENTED | XR_LOWER_COMMON | XR_BOX | XR_CLOSING | XR_CURRENCY | XR_NUMERIC), IN(XR_UPPER_ACCENTED)}},
    {false, {IN(XR_BOX | XR_CLOSING | XR_CURRENCY | XR_NUMERIC), IN(XR_LOWER_ACCENTED)}},
    {false, {IN(XR_LOWER_ACCENTED | XR_BOX | XR_CLOSING), IN(XR_CURRENCY)}},
    {false, {IN(SPACE), IN(XR_UPPER_ACCENTED), IN(XR_CURRENCY)}},
    {false, {IN(XR_UPPER_ACCENTED | XR_BOX), IN(XR_NUMERIC | XR_LAW)}},
    {false, {IN(ACCENTED | XR_BOX | XR_CURRENCY | XR_CLOSING), IN(XR_OPENING), IN(XR_NUMERIC)}},
    {false, {IN(ACCENTED | SIGNS | XR_BOX), IN(XR_CLOSING), IN(XR_OPENING)}},
    {false, {IN(XR_CURRENCY | XR_NUMERIC | XR_BOX), IN(XR_OPENING)}},
    {false, {IN(SMALL), IN(XR_UPPER_ACCENTED), IN(XR_OPENING | XR_CURRENCY)}},
    {false, {IN(XR_BOX), IN(XR_FACE | XR_CLOSING)}},
    {false, {IN(ACCENTED | SIGNS | MARKS), IN(XR_BOX)}},
    {false, {IN(ACCENTED), IN(MARKS), IN(WORD)}},
    {false, {ONE_OF("\u0152\u0153"), IN(NOT_LATIN)}},
    {false, {IN(XR_UPPER_ACCENTED), ONE_OF("\u00b0")}},
    {false,
     {ONE_OF("\u00c2\u00c3\u00ce\u00d0"),
      IN_OR(MARKS, "\u20ac\u0153\u0160\u0161\u00a2\u00a3\u0178\u017e\u00a0\u00ad\u00ae\u00a9\u00b0\u00b7\u00bb\u2013\u2014\u00b4")}},
    {false, {ONE_OF("\u00d7"), ONE_OF("\u00b2\u00b3")}},
    /* Arabic read as Windows-1252 */
    {false,
     {ONE_OF("\u00d8\u00d9"), IN_OR(ARABIC, "\u0178\u0160\u00ae\u00b0\u00b5\u00bb"), ONE_OF("\u00d8\u00d9"),
      IN_OR(ARABIC, "\u0178\u0160\u00ae\u00b0\u00b5\u00bb")}},
    /* Indic scripts read as Windows-1252 */
    {false, {ONE_OF("\u00e0"), ONE_OF("\u00b2\u00b5\u00b9\u00bc\u00bd\u00be")}},
    /* Mac Roman */
    {false, {ONE_OF("\u221a"), ONE_OF("\u00b1\u2202\u2020\u2260\u00ae\u2122\u00b4\u2264\u2265\u00a5\u00b5\u00f8")}},
    {false, {ONE_OF("\u2248"), ONE_OF("\u00b0\u00a2")}},
    {false, {ONE_OF("\u201a"), ONE_OF("\u00c4"), ONE_OF("\u00ec\u00ee\u00ef\u00f2\u00f4\u00fa\u00f9\u00fb\u2020\u00b0\u00a2\u03c0")}},
    {false, {ONE_OF("\u201a"), ONE_OF("\u00e2\u00f3"), ONE_OF("\u00e0\u00e4\u00b0\u00ea")}},
    /* Windows-1251: punctuation, then Latin-1 or Cyrillic, then Windows-1252 read as Latin-1 read as Windows-1251 */
    {false, {ONE_OF("\u0432"), ONE_OF("\u0402")}},
    {false, {ONE_OF("\u0412\u0413\u0420\u0421"), IN_OR(STRAY, "\u00b0\u00b5"), ONE_OF("\u0412\u0413\u0420\u0421")}},
    {false,
     {ONE_OF("\u0413"), ONE_OF("\u045e"), ONE_OF("\u0412"), ONE_OF("\u0402"), ONE_OF("\u0412"), IN(NOT_NEWLINE),
      IN_OR(SMALL | CAPITAL, " ")}},
    /* the two bytes of U+00E0, U+00E1 and U+00A0 in Windows-1252, where a no-break space may have become a space */
    {false, {ONE_OF("\u00c3"), ONE_OF("\u00a0\u00a1")}},
    {false, {IN(SMALL), ONE_OF("\u00c2\u00c3"), ONE_OF(" ")}},
    {false, {IN(SMALL), IN(SPACE), ONE_OF("\u00c2\u00c3"), ONE_OF(" ")}},
    {true, {ONE_OF("\u00c2\u00c3"), ONE_OF(" ")}},
    {false, {IN_OR(SMALL | XR_CLOSING, ".,?!"), ONE_OF("\u00c2"), IN_OR(MARKS, " ")}},
    /* Windows-1253: punctuation, then Latin-1 or Greek */
    {false, {ONE_OF("\u03b2"), ONE_OF("\u20ac"), ONE_OF("\u2122\u00a0\u0386\u00ad\u00ae\u00b0")}},
    {false, {ONE_OF("\u0392\u0393\u039e\u039f"), IN_OR(STRAY, "\u00b0"), ONE_OF("\u0392\u0393\u039e\u039f")}},
    /* Windows-1257: punctuation */
    {false, {ONE_OF("\u0101"), ONE_OF("\u20ac")}},
};

bool xr_is_space(uint32_t p) {
  if (p < 0x80) return p == ' ' || (p >= 0x9 && p <= 0xd) || (p >= 0x1c && p <= 0x1f);
  return p == 0x85 || p == 0x2028 || p == 0x2029 || (p < 0x10000 && utf8proc_category((utf8proc_int32_t)p) == UTF8PROC_CATEGORY_ZS);
}

static bool is_word(uint32_t p) {
  utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)p);
  return p == '_' || (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

static uint32_t table_classes(uint32_t p) {
  if ((p < 0x80 && p != ' ') || p > 0xffff) return 0;
  size_t low = 0, high = xr_class_run_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (p > xr_class_runs[middle].last)
      low = middle + 1;
    else
      high = middle;
  }
  return low < xr_class_run_count && p >= xr_class_runs[low].first ? xr_class_runs[low].classes : 0;
}

static uint32_t classes_of(uint32_t p) {
  uint32_t latin = p >= 'a' && p <= 'z' ? SMALL : p >= 'A' && p <= 'Z' ? CAPITAL : NOT_LATIN;
  return table_classes(p) | latin | (xr_is_space(p) ? SPACE : 0u) | (is_word(p) ? WORD : 0u) | (p != '\n' ? NOT_NEWLINE : 0u);
}

static bool among(const char16_t *others, uint32_t point) {
  for (; others && *others; others++)
    if (*others == point) return true;
  return false;
}

static bool rule_fits(const rule *r, const uint32_t *point, const uint32_t *classes, size_t left) {
  for (size_t i = 0; i < LONGEST_RULE; i++) {
    const element *e = &r->element[i];
    if (!e->classes && !e->others) return true;
    if (i == left || !((classes[i] & e->classes) || among(e->others, point[i]))) return false;
  }
  return true;
}

/* XR_OK and *suspect, or no memory. `count` is not 0. */
static xr_status is_suspect(const uint32_t *point, size_t count, bool *suspect) {
  *suspect = false;
  uint32_t *classes = malloc(count * sizeof *classes);
  if (!classes) return xr_fail(XR_NO_MEMORY, "out of memory for a text of %zu characters", count);
  for (size_t i = 0; i < count; i++) classes[i] = classes_of(point[i]);
  for (size_t i = 0; i < count && !*suspect; i++)
    for (size_t r = 0; r < sizeof rules / sizeof *rules && !*suspect; r++)
      *suspect = (i == 0 || !rules[r].at_start) && rule_fits(&rules[r], point + i, classes + i, count - i);
  free(classes);
  return XR_OK;
}

/* ---- back to bytes */

enum { LATIN_1 = -1, LOST = 0x1a }; /* LOST: the byte that the Windows encodings get for U+FFFD, a byte nobody knows any more */

static bool is_windows(int encoding) { return encoding >= XR_WINDOWS_1252 && encoding <= XR_WINDOWS_1257; }

/* The bytes that `text` was read from in `encoding`; false when it holds a character that the encoding lacks. */
static bool to_bytes(const xr_points *text, int encoding, unsigned char *bytes) {
  for (size_t i = 0; i < text->count; i++) {
    uint32_t p = text->at[i];
    if (p < 0x80 && !(p == LOST && is_windows(encoding))) {
      bytes[i] = (unsigned char)p;
    } else if (encoding == LATIN_1) {
      if (p > 0xff) return false;
      bytes[i] = (unsigned char)p;
    } else if (p == 0xfffd && is_windows(encoding)) {
      bytes[i] = LOST;
    } else {
      int upper = 0;
      while (upper < 128 && xr_upper_halves[encoding][upper] != p) upper++;
      if (upper == 128) return false;
      bytes[i] = (unsigned char)(0x80 + upper);
    }
  }
  return true;
}

static bool between(unsigned char byte, unsigned low, unsigned high) { return byte >= low && byte <= high; }

/* A continuation byte that can have been followed or preceded by a space that was byte 0xa0; 0x85 is left out. */
static bool beside_a0(unsigned char byte) { return between(byte, 0x80, 0x84) || between(byte, 0x86, 0x9f) || between(byte, 0xa1, 0xbf); }

/* Length of the sequence at `b` that would be UTF-8 if its one space were byte 0xa0; 0: none. Only leads after which that gives
 * likely characters. */
static size_t altered_length(const unsigned char *b, size_t left) {
  if (left >= 2 && b[1] == ' ' && strchr("\xc2\xc3\xc5\xce\xd0\xd9", b[0]) && b[0]) return 2;
  if (left >= 3 && between(b[0], 0xe2, 0xe3) && b[1] == ' ' && beside_a0(b[2])) return 3;
  if (left >= 3 && between(b[0], 0xe0, 0xe3) && beside_a0(b[1]) && b[2] == ' ') return 3;
  if (left < 4 || b[0] != 0xf0) return 0;
  int spaces = 0;
  for (int i = 1; i < 4; i++) {
    if (b[i] == ' ')
      spaces++;
    else if (!between(b[i], 0x80, 0xbf))
      return 0;
  }
  return spaces == 1 ? 4 : 0;
}

/* A space after 0xc3 that separates words although it also stands for 0xa0: not before another space, and not where it is the
 * inside of one of the Portuguese contractions with "a". */
static bool separates_words(const unsigned char *after, size_t left) {
  static const char *const inside[] = {" ", "quele", "quela", "quilo", "s "};
  for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
    size_t length = strlen(inside[i]);
    if (length <= left && memcmp(after, inside[i], length) == 0) return false;
  }
  return true;
}

/* Puts byte 0xa0 back where a space took its place; out has room for 3 * count. Returns the new count. */
static size_t restore_a0(const unsigned char *bytes, size_t count, unsigned char *out, unsigned char *scratch) {
  size_t n = 0, made = 0;
  for (size_t i = 0; i < count; i++) {
    scratch[n++] = bytes[i];
    if (bytes[i] == 0xc3 && i + 1 < count && bytes[i + 1] == ' ' && separates_words(bytes + i + 2, count - i - 2)) {
      scratch[n++] = 0xa0;
      scratch[n++] = ' ';
      i++;
    }
  }
  for (size_t i = 0; i < n;) {
    size_t length = altered_length(scratch + i, n - i);
    for (size_t end = i + (length ? length : 1); i < end; i++) out[made++] = length && scratch[i] == ' ' ? 0xa0 : scratch[i];
  }
  return made;
}

/* Length of the sequence at `b` that has lost a byte, or of the lost byte alone; 0: none. "?" can stand for one lost byte. */
static size_t lossy_length(const unsigned char *b, size_t left) {
  if (left >= 6 && b[0] == 0xed && between(b[1], 0xa0, 0xaf) && b[3] == 0xed && between(b[4], 0xb0, 0xbf)) {
    bool lost = b[2] == LOST || b[2] == '?', lost_too = b[5] == LOST || b[5] == '?';
    if ((lost && (lost_too || between(b[5], 0x80, 0xbf))) || (lost_too && between(b[2], 0x80, 0xbf))) return 6;
  }
  size_t length = between(b[0], 0xc2, 0xdf) ? 2 : between(b[0], 0xe0, 0xef) ? 3 : between(b[0], 0xf0, 0xf4) ? 4 : 0;
  if (length && left >= length) {
    int lost = 0, questions = 0;
    size_t i = 1;
    for (; i < length; i++) {
      questions += b[i] == '?';
      lost += b[i] == LOST || b[i] == '?';
      if (b[i] != LOST && b[i] != '?' && !between(b[i], 0x80, 0xbf)) break;
    }
    bool likely = length > 2 || questions == 0 || b[0] <= 0xc3;
    if (i == length && lost && questions <= 1 && likely) return length;
  }
  return b[0] == LOST;
}

/* Writes U+FFFD for every sequence that has lost a byte; out has room for 3 * count. */
static size_t replace_lossy(const unsigned char *bytes, size_t count, unsigned char *out) {
  size_t made = 0;
  for (size_t i = 0; i < count;) {
    size_t length = lossy_length(bytes + i, count - i);
    if (length) {
      memcpy(out + made, "\xef\xbf\xbd", 3);
      made += 3;
      i += length;
    } else {
      out[made++] = bytes[i++];
    }
  }
  return made;
}

/* Strict UTF-8, and the variants that old programs write: U+0000 as c0 80, and pairs of surrogates as three bytes each. */
static bool decode(const unsigned char *bytes, size_t count, xr_points *out) {
  out->count = 0;
  for (size_t i = 0; i < count;) {
    uint32_t point, second;
    size_t bad, length = xr_utf8_sequence(bytes + i, count - i, true, &point, &bad);
    if (length && (point < 0xd800 || point > 0xdfff)) {
      xr_points_add(out, point);
    } else if (length && point < 0xdc00 && count - i >= 6 && xr_utf8_sequence(bytes + i + 3, count - i - 3, true, &second, &bad) == 3 &&
               second >= 0xdc00 && second <= 0xdfff) {
      xr_points_add(out, 0x10000 + ((point - 0xd800) << 10) + (second - 0xdc00));
      length = 6;
    } else if (bytes[i] == 0xc0 && i + 1 < count && bytes[i + 1] == 0x80) {
      xr_points_add(out, 0);
      length = 2;
    } else {
      return false;
    }
    i += length;
  }
  return true;
}

static bool any_altered(const unsigned char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (altered_length(bytes + i, count - i)) return true;
  return false;
}

/* Tries to read `text`, written in `encoding`, as UTF-8. `bytes` has room for 9 * count. */
static bool reread(const xr_points *text, int encoding, unsigned char *bytes, xr_points *out) {
  size_t count = text->count;
  unsigned char *second = bytes + 3 * count, *third = bytes + 6 * count;
  if (!to_bytes(text, encoding, bytes)) return false;
  if (encoding != XR_MAC_ROMAN && any_altered(bytes, count)) { /* Mac Roman's 0xd0 is a dash, which often has a space after it */
    count = restore_a0(bytes, count, second, third);
    memcpy(bytes, second, count);
  }
  if (!is_windows(encoding)) return decode(bytes, count, out);
  /* second and third are neighbours: 6 * text->count bytes, and count is at most 3/2 of text->count */
  count = replace_lossy(bytes, count, second);
  return decode(second, count, out);
}

/* ---- misread pieces inside good text */

/* Length of the longest run of would-be UTF-8 sequences at text->at + start. */
static size_t misread_run(const xr_points *text, size_t start) {
  if (start && table_classes(text->at[start - 1]) & XR_STRICT) return 0; /* rather nothing than the middle of a larger garble */
  size_t i = start;
  while (i < text->count) {
    uint32_t lead = table_classes(text->at[i]);
    size_t length = lead & XR_FIRST_OF_2 ? 2 : lead & XR_FIRST_OF_3 ? 3 : lead & XR_FIRST_OF_4 ? 4 : 0, k = 1;
    while (k < length && i + k < text->count && table_classes(text->at[i + k]) & XR_CONTINUATION) k++;
    if (!length || k < length) break;
    i += length;
  }
  return i - start;
}

enum { DEEPEST = 100 }; /* pieces within pieces: more than any text has */

static xr_status fix_encoding(xr_points *text, int depth);

static xr_status fix_pieces(const xr_points *text, int depth, xr_points *out) {
  xr_points piece = {0};
  xr_status status = XR_OK;
  out->count = 0;
  for (size_t i = 0; i < text->count && status == XR_OK;) {
    size_t length = misread_run(text, i);
    bool suspect = false;
    if (length && length < text->count && depth < DEEPEST) status = is_suspect(text->at + i, length, &suspect);
    piece.count = 0;
    xr_points_append(&piece, text->at + i, length ? length : 1);
    if (suspect && status == XR_OK) status = fix_encoding(&piece, depth + 1);
    xr_points_append(out, piece.at, piece.count);
    if (status == XR_OK) status = xr_points_status(&piece);
    i += length ? length : 1;
  }
  xr_points_free(&piece);
  return status;
}

/* ---- the steps in order */

uint32_t xr_from_c1(uint32_t point) { return xr_upper_halves[XR_WINDOWS_1252][point - 0x80]; }

static bool is_c1(uint32_t point) { return point >= 0x80 && point <= 0x9f; }

/* Reads C1 controls as Windows-1252 (as browsers do). A text in Latin-1 alone is converted only when all of its controls have a
 * character there, else as every other text one by one: the results are the same. */
static void fix_c1(const xr_points *text, xr_points *out) {
  out->count = 0;
  for (size_t i = 0; i < text->count; i++) xr_points_add(out, is_c1(text->at[i]) ? xr_from_c1(text->at[i]) : text->at[i]);
}

static bool is_ascii(const xr_points *text) {
  for (size_t i = 0; i < text->count; i++)
    if (text->at[i] >= 0x80) return false;
  return true;
}

/* One step: `out` is the repaired text, or equal to `text` when there is nothing to repair. */
static xr_status fix_once(const xr_points *text, int depth, xr_points *out) {
  bool suspect = false;
  if (!is_ascii(text)) XR_TRY(is_suspect(text->at, text->count, &suspect));
  out->count = 0;
  xr_points_append(out, text->at, text->count);
  if (!suspect) return XR_OK;
  unsigned char *bytes = malloc(9 * text->count);
  if (!bytes) return xr_fail(XR_NO_MEMORY, "out of memory for a text of %zu characters", text->count);
  bool done = false;
  for (int encoding = LATIN_1; encoding < XR_MISREAD_ENCODINGS && !done; encoding++) done = reread(text, encoding, bytes, out);
  free(bytes);
  if (done) return XR_OK;
  XR_TRY(fix_pieces(text, depth, out));
  if (!xr_points_equal(text, out)) return XR_OK;
  fix_c1(text, out);
  return XR_OK;
}

static xr_status fix_encoding(xr_points *text, int depth) {
  xr_points next = {0};
  xr_status status;
  bool changed;
  do { /* each change leaves fewer characters or fewer controls, so this ends */
    status = fix_once(text, depth, &next);
    if (status == XR_OK) status = xr_points_status(&next);
    changed = status == XR_OK && !xr_points_equal(text, &next);
    if (changed) {
      xr_points swap = *text;
      *text = next;
      next = swap;
    }
  } while (changed);
  xr_points_free(&next);
  return status;
}

xr_status xr_fix_encoding(xr_points *text) { return fix_encoding(text, 0); }
