#include "host/data/words.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

struct xr_words {
  pcre2_code *code;
};

/* Clean text is in lower case and its only white space is the space, so the pattern says just that: PCRE2's \s would also take
 * U+180E. Two things are left of CLIP's "ignore case": the long s (U+017F) is an s, and U+0345, a mark that is the lower case of a
 * letter, fits nowhere and is passed over. */
#define S "[s\\x{17f}]"
#define START "<\\|" S "tartoftext\\|>|"
#define END "<\\|endoftext\\|>|"
#define MASK "<\\|ma" S "k\\|>|"
#define WORD "'" S "|'t|'re|'ve|'m|'ll|'d|\\p{L}++|\\p{N}|[^ \\x{345}\\p{L}\\p{N}]++"

static xr_status pcre_failed(xr_status status, int code) {
  PCRE2_UCHAR reason[200];
  pcre2_get_error_message(code, reason, sizeof reason);
  return xr_fail(status, "splitting a caption into words: %s", (const char *)reason);
}

xr_status xr_words_new(xr_words **words, bool mask) {
  PCRE2_SPTR pattern = (PCRE2_SPTR)(mask ? START MASK END WORD : START END WORD);
  int error;
  PCRE2_SIZE where;
  *words = calloc(1, sizeof **words);
  if (!*words) return xr_fail(XR_NO_MEMORY, "out of memory");
  (*words)->code = pcre2_compile(pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &error, &where, NULL);
  if (!(*words)->code) {
    xr_words_free(*words);
    *words = NULL;
    return pcre_failed(XR_UNSUPPORTED, error);
  }
  pcre2_jit_compile((*words)->code, PCRE2_JIT_COMPLETE); /* where there is no compiler for this machine, the interpreter runs */
  return XR_OK;
}

void xr_words_free(xr_words *words) {
  if (!words) return;
  pcre2_code_free(words->code);
  free(words);
}

xr_status xr_word_scan_start(xr_word_scan *scan, const xr_words *words, const char *clean, size_t bytes) {
  *scan = (xr_word_scan){.words = words, .text = clean, .bytes = bytes};
  scan->match = pcre2_match_data_create(1, NULL);
  return scan->match ? XR_OK : xr_fail(XR_NO_MEMORY, "out of memory");
}

xr_status xr_word_next(xr_word_scan *scan, const char **word, size_t *bytes) {
  *word = NULL;
  int found = pcre2_match(scan->words->code, (PCRE2_SPTR)scan->text, scan->bytes, scan->at, PCRE2_NO_UTF_CHECK, scan->match, NULL);
  if (found == PCRE2_ERROR_NOMATCH) return XR_OK;
  if (found < 0) return pcre_failed(XR_BAD_INPUT, found);
  const PCRE2_SIZE *span = pcre2_get_ovector_pointer(scan->match);
  *word = scan->text + span[0];
  *bytes = span[1] - span[0];
  scan->at = span[1];
  return XR_OK;
}

void xr_word_scan_end(xr_word_scan *scan) { pcre2_match_data_free(scan->match); }

static int unprintable_before(unsigned char byte) { /* how many of the 68 come before it */
  return byte <= 32 ? byte : byte <= 126 ? 33 : byte <= 160 ? 33 + byte - 127 : byte <= 173 ? 67 : 68;
}

static bool is_printable(unsigned char byte) { return (byte > 32 && byte < 127) || (byte > 160 && byte != 173); }

int xr_byte_id(unsigned char byte) {
  int before = unprintable_before(byte);
  return is_printable(byte) ? byte - before : 188 + before;
}

size_t xr_spell_byte(unsigned char byte, char *utf8) {
  int point = is_printable(byte) ? byte : 256 + unprintable_before(byte);
  if (point < 0x80) {
    utf8[0] = (char)point;
    return 1;
  }
  utf8[0] = (char)(0xc0 | point >> 6);
  utf8[1] = (char)(0x80 | (point & 0x3f));
  return 2;
}
