/* HTML character references in captions. Both work in place: what a reference stands for is never longer than the reference. */
#pragma once

#include "host/data/text_points.h"

/* Python's html.unescape, which follows HTML5: &name; &name &#10; &#10 &#x0a; with the longest known name, numbers of C1 controls
 * read as Windows-1252, surrogates and numbers beyond U+10FFFF as U+FFFD, other controls and noncharacters dropped. */
void xr_unescape_html(xr_points *text);

/* ftfy's cautious form of it: only references that end in ";", and also names in capitals where no other name is meant (&EACUTE;). */
void xr_unescape_html_cautiously(xr_points *text);
