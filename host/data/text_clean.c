#include "host/data/text_clean.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "host/data/text_encoding.h"
#include "host/data/text_html.h"
#include "host/data/text_points.h"
#include "host/data/text_tables.h"

/* ---- the small repairs of fix_text; those that never lengthen a text work in place */

static void replace_c1(xr_points *text) {
  for (size_t i = 0; i < text->count; i++)
    if (text->at[i] >= 0x80 && text->at[i] <= 0x9f) text->at[i] = xr_from_c1(text->at[i]);
}

static const struct {
  uint16_t ligature;
  uint16_t letters[3];
} ligatures[] = {
    {0x132, {'I', 'J'}},    {0x133, {'i', 'j'}},  {0x149, {0x2bc, 'n'}}, {0x1c4, {'D', 0x17d}},     {0x1c5, {'D', 0x17e}},
    {0x1c6, {'d', 0x17e}},  {0x1c7, {'L', 'J'}},  {0x1c8, {'L', 'j'}},   {0x1c9, {'l', 'j'}},       {0x1ca, {'N', 'J'}},
    {0x1cb, {'N', 'j'}},    {0x1cc, {'n', 'j'}},  {0x1f1, {'D', 'Z'}},   {0x1f2, {'D', 'z'}},       {0x1f3, {'d', 'z'}},
    {0xfb00, {'f', 'f'}},   {0xfb01, {'f', 'i'}}, {0xfb02, {'f', 'l'}},  {0xfb03, {'f', 'f', 'i'}}, {0xfb04, {'f', 'f', 'l'}},
    {0xfb05, {0x17f, 't'}}, {0xfb06, {'s', 't'}},
};

static bool add_ligature(xr_points *out, uint32_t p) {
  for (size_t i = 0; i < sizeof ligatures / sizeof *ligatures; i++)
    if (ligatures[i].ligature == p) {
      for (int k = 0; k < 3 && ligatures[i].letters[k]; k++) xr_points_add(out, ligatures[i].letters[k]);
      return true;
    }
  return false;
}

/* Full and half width forms by their compatibility decomposition; the ideographic space too. */
static bool add_normal_width(xr_points *out, uint32_t p) {
  if (p == 0x3000) {
    xr_points_add(out, ' ');
    return true;
  }
  if (p < 0xff01 || p > 0xffef) return false;
  utf8proc_int32_t parts[8];
  int last_class = 0;
  utf8proc_option_t options = UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_STABLE;
  utf8proc_ssize_t count = utf8proc_decompose_char((utf8proc_int32_t)p, parts, 8, options, &last_class);
  count = count > 0 && count <= 8 ? utf8proc_normalize_utf32(parts, count, options) : 0;
  for (utf8proc_ssize_t i = 0; i < count; i++) xr_points_add(out, (uint32_t)parts[i]);
  return count > 0;
}

static void expand(const xr_points *text, xr_points *out) {
  out->count = 0;
  for (size_t i = 0; i < text->count; i++)
    if (text->at[i] < 0x132 || !(add_ligature(out, text->at[i]) || add_normal_width(out, text->at[i]))) xr_points_add(out, text->at[i]);
}

static void straighten_quotes(xr_points *text) {
  for (size_t i = 0; i < text->count; i++) {
    uint32_t p = text->at[i];
    if (p == 0x2bc || (p >= 0x2018 && p <= 0x201b)) text->at[i] = '\'';
    if (p >= 0x201c && p <= 0x201f) text->at[i] = '"';
  }
}

static void fix_line_breaks(xr_points *text) {
  size_t made = 0;
  for (size_t i = 0; i < text->count; i++) {
    uint32_t p = text->at[i];
    if (p == '\r' && i + 1 < text->count && text->at[i + 1] == '\n') continue;
    text->at[made++] = p == '\r' || p == 0x2028 || p == 0x2029 || p == 0x85 ? '\n' : p;
  }
  text->count = made;
}

static void join_surrogates(xr_points *text) {
  size_t made = 0;
  for (size_t i = 0; i < text->count; i++) {
    uint32_t p = text->at[i], next = i + 1 < text->count ? text->at[i + 1] : 0;
    if (p >= 0xd800 && p < 0xdc00 && next >= 0xdc00 && next < 0xe000) {
      text->at[made++] = 0x10000 + ((p - 0xd800) << 10) + (next - 0xdc00);
      i++;
    } else {
      text->at[made++] = p >= 0xd800 && p < 0xe000 ? 0xfffd : p;
    }
  }
  text->count = made;
}

/* ESC [ digits and semicolons, one letter: colours and cursor movements of terminals. */
static void remove_terminal_escapes(xr_points *text) {
  size_t made = 0;
  for (size_t i = 0; i < text->count; i++) {
    if (text->at[i] == 0x1b && i + 1 < text->count && text->at[i + 1] == '[') {
      size_t end = i + 2;
      while (end < text->count && (text->at[end] == ';' || utf8proc_category((utf8proc_int32_t)text->at[end]) == UTF8PROC_CATEGORY_ND))
        end++;
      uint32_t last = end < text->count ? text->at[end] | 0x20 : 0;
      if (last >= 'a' && last <= 'z') {
        i = end;
        continue;
      }
    }
    text->at[made++] = text->at[i];
  }
  text->count = made;
}

/* Controls that print nothing; those that make white space and those that shape glyphs (joiners, directions) stay. */
static bool is_unwanted_control(uint32_t p) {
  return p < 0x9 || p == 0xb || (p >= 0xe && p < 0x20) || p == 0x7f || (p >= 0x206a && p <= 0x206f) || p == 0xfeff ||
         (p >= 0xfff9 && p <= 0xfffc);
}

static void remove_controls(xr_points *text) {
  size_t made = 0;
  for (size_t i = 0; i < text->count; i++)
    if (!is_unwanted_control(text->at[i])) text->at[made++] = text->at[i];
  text->count = made;
}

static xr_status normalize(xr_points *text) {
  bool simple = true; /* below U+0300 every text is its own NFC */
  for (size_t i = 0; i < text->count && simple; i++) simple = text->at[i] < 0x300;
  if (simple) return XR_OK;
  size_t bytes;
  char *utf8 = xr_points_to_utf8(text, &bytes);
  if (!utf8) return XR_NO_MEMORY;
  utf8proc_uint8_t *composed = NULL;
  utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_COMPOSE;
  utf8proc_ssize_t length = utf8proc_map((const utf8proc_uint8_t *)utf8, (utf8proc_ssize_t)bytes, &composed, options);
  free(utf8);
  if (length < 0) return xr_fail(XR_NO_MEMORY, "a text of %zu characters cannot be normalised: %s", text->count, utf8proc_errmsg(length));
  text->count = 0;
  xr_points_from_utf8(text, (const char *)composed, (size_t)length);
  free(composed);
  return XR_OK;
}

/* ---- fix_text */

static xr_status fix_line_once(xr_points *line, xr_points *scratch, bool unescape) {
  if (unescape) xr_unescape_html_cautiously(line);
  XR_TRY(xr_fix_encoding(line));
  replace_c1(line);
  expand(line, scratch);
  xr_points swap = *line;
  *line = *scratch;
  *scratch = swap;
  straighten_quotes(line);
  fix_line_breaks(line);
  join_surrogates(line);
  remove_terminal_escapes(line);
  remove_controls(line);
  XR_TRY(normalize(line));
  XR_TRY(xr_points_status(scratch));
  return xr_points_status(line);
}

static xr_status fix_line(xr_points *line, bool unescape) {
  xr_points before = {0}, scratch = {0};
  xr_status status = XR_OK;
  bool changed = true;
  while (changed && status == XR_OK) {
    before.count = 0;
    xr_points_append(&before, line->at, line->count);
    status = xr_points_status(&before);
    if (status == XR_OK) status = fix_line_once(line, &scratch, unescape);
    changed = !xr_points_equal(&before, line);
  }
  xr_points_free(&before);
  xr_points_free(&scratch);
  return status;
}

static xr_status fix_text(xr_points *text, xr_points *out) {
  xr_points line = {0};
  xr_status status = XR_OK;
  bool unescape = true;
  for (size_t start = 0; start < text->count && status == XR_OK;) {
    size_t end = start;
    do {
      if (text->at[end] == '<') unescape = false; /* this is real HTML, and stays so for the lines that follow */
    } while (text->at[end++] != '\n' && end < text->count);
    line.count = 0;
    xr_points_append(&line, text->at + start, end - start);
    status = xr_points_status(&line);
    if (status == XR_OK) status = fix_line(&line, unescape);
    if (status == XR_OK) xr_points_append(out, line.at, line.count);
    start = end;
  }
  xr_points_free(&line);
  return status != XR_OK ? status : xr_points_status(out);
}

/* ---- what follows it */

static void collapse_space(xr_points *text) {
  size_t made = 0;
  bool pending = false;
  for (size_t i = 0; i < text->count; i++) {
    bool space = xr_is_space(text->at[i]);
    if (!space && pending && made) text->at[made++] = ' ';
    if (!space) text->at[made++] = text->at[i];
    pending = space;
  }
  text->count = made;
}

static bool in_runs(const xr_point_run *runs, size_t count, uint32_t p) {
  size_t low = 0, high = count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (p > runs[middle].last)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && p >= runs[low].first;
}

static bool ignorable(uint32_t p) { return in_runs(xr_case_ignorable_runs, xr_case_ignorable_run_count, p); }
static bool cased(uint32_t p) { return in_runs(xr_cased_runs, xr_cased_run_count, p); }

/* Unicode 3.13, Final_Sigma: a cased letter before it and none after it, case-ignorable characters aside. */
static bool is_final_sigma(const xr_points *text, size_t at) {
  size_t before = at, after = at + 1;
  while (before && ignorable(text->at[before - 1])) before--;
  while (after < text->count && ignorable(text->at[after])) after++;
  return before && cased(text->at[before - 1]) && !(after < text->count && cased(text->at[after]));
}

/* Full lower-casing without a language: U+0130 becomes two characters, the capital sigma one of two. */
static void lower(const xr_points *text, xr_points *out) {
  out->count = 0;
  for (size_t i = 0; i < text->count; i++) {
    uint32_t p = text->at[i];
    if (p == 0x130) {
      xr_points_add(out, 'i');
      xr_points_add(out, 0x307);
    } else if (p == 0x3a3) {
      xr_points_add(out, is_final_sigma(text, i) ? 0x3c2 : 0x3c3);
    } else {
      xr_points_add(out, p < 0x80 ? (p >= 'A' && p <= 'Z' ? p + 32 : p) : (uint32_t)utf8proc_tolower((utf8proc_int32_t)p));
    }
  }
}

xr_status xr_clean_text(const char *utf8, size_t bytes, char **clean) {
  *clean = NULL;
  if (bytes > XR_TEXT_MAX) return xr_fail(XR_BAD_INPUT, "a caption of %zu bytes is too long; at most %d are supported", bytes, XR_TEXT_MAX);
  xr_points text = {0}, fixed = {0};
  xr_points_from_utf8(&text, utf8, bytes);
  xr_status status = xr_points_status(&text);
  if (status == XR_OK) status = fix_text(&text, &fixed);
  if (status == XR_OK) {
    xr_unescape_html(&fixed);
    xr_unescape_html(&fixed);
    collapse_space(&fixed);
    lower(&fixed, &text);
    status = xr_points_status(&text);
  }
  if (status == XR_OK && !(*clean = xr_points_to_utf8(&text, &bytes))) status = XR_NO_MEMORY;
  xr_points_free(&text);
  xr_points_free(&fixed);
  return status;
}
