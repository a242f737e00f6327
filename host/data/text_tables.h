/* Facts about characters that the cleaning of captions looks up (text_tables.c, made by tests/oracle/text_tables.py). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* HTML5's named character references, sorted by strcmp. The name has no "&" and ends in ";" where the reference does;
 * codes that are not needed are 0. */
typedef struct {
  const char *name;
  uint32_t code[3];
} xr_entity;

extern const xr_entity xr_entities[];
extern const size_t xr_entity_count;
extern const xr_entity xr_shouted_entities[]; /* names in capitals that HTML does not know but people write: "EACUTE;" */
extern const size_t xr_shouted_entity_count;

/* Single-byte encodings that UTF-8 is misread in: the characters of the bytes 0x80..0xff. Bytes that the Windows encodings leave
 * undefined stand for the character of the same number. */
enum {
  XR_WINDOWS_1252,
  XR_WINDOWS_1251,
  XR_WINDOWS_1250,
  XR_WINDOWS_1253,
  XR_WINDOWS_1254,
  XR_WINDOWS_1257,
  XR_ISO_8859_2,
  XR_MAC_ROMAN,
  XR_CP437,
  XR_MISREAD_ENCODINGS
};
extern const uint16_t xr_upper_halves[XR_MISREAD_ENCODINGS][128];

/* Classes of the characters that misread UTF-8 consists of. The first group says how a character is used in good text, the second
 * which part of a UTF-8 sequence it can have been. */
enum {
  XR_COMMON = 1 << 0,
  XR_CONTROL = 1 << 1,
  XR_BAD = 1 << 2,
  XR_LAW = 1 << 3,
  XR_CURRENCY = 1 << 4,
  XR_OPENING = 1 << 5,
  XR_CLOSING = 1 << 6,
  XR_NUMERIC = 1 << 7,
  XR_FACE = 1 << 8,
  XR_UPPER_ACCENTED = 1 << 9,
  XR_LOWER_ACCENTED = 1 << 10,
  XR_UPPER_COMMON = 1 << 11,
  XR_LOWER_COMMON = 1 << 12,
  XR_BOX = 1 << 13,
  XR_FIRST_OF_2 = 1 << 14,
  XR_FIRST_OF_3 = 1 << 15,
  XR_FIRST_OF_4 = 1 << 16,
  XR_CONTINUATION = 1 << 17,
  XR_STRICT = 1 << 18 /* a continuation that hardly stands for itself beside misread text */
};
typedef struct {
  uint16_t first, last;
  uint32_t classes;
} xr_class_run;
extern const xr_class_run xr_class_runs[]; /* sorted */
extern const size_t xr_class_run_count;

typedef struct {
  uint32_t first, last;
} xr_point_run;
extern const xr_point_run xr_cased_runs[], xr_case_ignorable_runs[]; /* sorted; a character that is both counts as ignorable */
extern const size_t xr_cased_run_count, xr_case_ignorable_run_count;
