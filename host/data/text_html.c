#include "host/data/text_html.h"

#include <stdlib.h>
#include <string.h>

#include "host/data/text_encoding.h"
#include "host/data/text_tables.h"

enum { LONGEST_NAME = 32 }; /* characters after "&" that are looked at; with ";" one more */

/* A reference that was found in text->at[i..]: what it stands for and how many characters it took, 0: none. */
typedef struct {
  uint32_t code[3];
  int codes;
  size_t taken;
} reference;

static int compare_name(const void *name, const void *entity) { return strcmp(name, ((const xr_entity *)entity)->name); }

static bool look_up(const xr_entity *entities, size_t count, const char *name, reference *found) {
  const xr_entity *entity = bsearch(name, entities, count, sizeof *entities, compare_name);
  if (!entity) return false;
  memcpy(found->code, entity->code, sizeof found->code);
  for (found->codes = 0; found->codes < 3 && found->code[found->codes];) found->codes++;
  return true;
}

static int digit_value(uint32_t p, bool hexadecimal) {
  if (p >= '0' && p <= '9') return (int)p - '0';
  if (hexadecimal && p >= 'a' && p <= 'f') return (int)p - 'a' + 10;
  if (hexadecimal && p >= 'A' && p <= 'F') return (int)p - 'A' + 10;
  return -1;
}

/* The number after "&#" at p[0..left); false when there is none. A ";" is not taken. */
static bool read_number(const uint32_t *p, size_t left, uint32_t *number, size_t *length) {
  bool hexadecimal = left && (p[0] == 'x' || p[0] == 'X');
  size_t i = hexadecimal, start = i;
  uint32_t value = 0;
  for (int digit; i < left && (digit = digit_value(p[i], hexadecimal)) >= 0; i++)
    value = value > 0x10ffff ? value : value * (hexadecimal ? 16 : 10) + (uint32_t)digit;
  *number = value;
  *length = i;
  return i > start;
}

static void number_meaning(uint32_t n, reference *found) {
  bool dropped = (n < 0x20 && n != '\t' && n != '\n' && n != '\f' && n != '\r') || n == 0x7f || (n >= 0xfdd0 && n <= 0xfdef) ||
                 (n & 0xfffe) == 0xfffe;
  found->codes = 1;
  if (n == 0 || (n >= 0xd800 && n <= 0xdfff) || n > 0x10ffff)
    found->code[0] = 0xfffd;
  else if (n >= 0x80 && n <= 0x9f)
    found->code[0] = xr_from_c1(n);
  else if (dropped)
    found->codes = 0;
  else
    found->code[0] = n;
}

static bool ends_name(uint32_t p) {
  return p == '\t' || p == '\n' || p == '\f' || p == ' ' || p == '<' || p == '&' || p == '#' || p == ';';
}

/* The longest known name at p[0..left), which follows an "&". */
static bool named(const uint32_t *p, size_t left, reference *found) {
  char name[LONGEST_NAME + 2];
  size_t length = 0;
  while (length < left && length < LONGEST_NAME && !ends_name(p[length]) && p[length] < 0x80) {
    name[length] = (char)p[length];
    length++;
  }
  if (length < left && p[length] == ';') name[length++] = ';';
  for (; length >= 2; length--) {
    name[length] = '\0';
    if (look_up(xr_entities, xr_entity_count, name, found)) {
      found->taken = 1 + length;
      return true;
    }
  }
  return false;
}

static void find(const uint32_t *p, size_t left, reference *found) {
  uint32_t number;
  size_t length;
  found->taken = 0;
  if (left < 2) return;
  if (p[1] != '#') {
    named(p + 1, left - 1, found);
  } else if (read_number(p + 2, left - 2, &number, &length)) {
    number_meaning(number, found);
    found->taken = 2 + length + (2 + length < left && p[2 + length] == ';');
  }
}

static bool letter_or_digit(uint32_t p) { return (p >= '0' && p <= '9') || (p >= 'a' && p <= 'z') || (p >= 'A' && p <= 'Z'); }

/* "&" or "&#", 1 to 24 letters and digits, ";". */
static void find_cautiously(const uint32_t *p, size_t left, reference *found) {
  found->taken = 0;
  bool numeric = left > 1 && p[1] == '#';
  size_t start = 1u + numeric, i = start;
  char name[24 + 2];
  while (i < left && i - start < 24 && letter_or_digit(p[i])) {
    name[i - start] = (char)p[i];
    i++;
  }
  if (i == start || i == left || p[i] != ';') return;
  memcpy(name + (i - start), ";", 2);
  if (numeric) {
    uint32_t number;
    size_t length;
    if (!read_number(p + 2, i - 2, &number, &length) || 2 + length != i || number == ';') return;
    number_meaning(number, found);
  } else if (!look_up(xr_entities, xr_entity_count, name, found) && !look_up(xr_shouted_entities, xr_shouted_entity_count, name, found)) {
    return;
  }
  found->taken = i + 1;
}

static void replace(xr_points *text, void (*finder)(const uint32_t *, size_t, reference *)) {
  size_t made = 0;
  for (size_t i = 0; i < text->count;) {
    reference found = {.taken = 0};
    if (text->at[i] == '&') finder(text->at + i, text->count - i, &found);
    if (found.taken) {
      for (int k = 0; k < found.codes; k++) text->at[made++] = found.code[k];
      i += found.taken;
    } else {
      text->at[made++] = text->at[i++];
    }
  }
  text->count = made;
}

void xr_unescape_html(xr_points *text) { replace(text, find); }

void xr_unescape_html_cautiously(xr_points *text) { replace(text, find_cautiously); }
