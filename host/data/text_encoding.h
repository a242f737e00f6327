/* Repair of text whose bytes were read in the wrong encoding: UTF-8 taken for Windows-1252, Latin-1, Mac Roman and others, also
 * several times over, mixed with good text, or with bytes lost on the way.
 *
 * The method is ftfy's (Robyn Speer, "ftfy", doi 10.5281/zenodo.2591652, version 6.3), re-expressed: a text is suspect when it holds
 * pairs of characters that good text hardly has; a suspect text is written back in each encoding in turn, and where the bytes are
 * UTF-8 that is what they were meant to be. */
#pragma once

#include "host/data/text_points.h"

/* Replaces `text` by its repaired form; text that is not suspect stays as it is. */
xr_status xr_fix_encoding(xr_points *text);

/* The character that Windows-1252 has for a C1 control, 0x80 <= point <= 0x9f; the five that it leaves undefined stay. */
uint32_t xr_from_c1(uint32_t point);

/* Python's str.isspace() for one character. */
bool xr_is_space(uint32_t point);
