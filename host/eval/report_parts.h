/* The pieces that report.c assembles. They write to a stream in memory, whose errors show when it is closed. */
#pragma once

#include <stdio.h>

#include "host/eval/report.h"

void xr_html_text(FILE *out, const char *text);              /* escaped; NULL is "" */
void xr_html_chart(FILE *out, const xr_report_chart *chart); /* a figure; nothing when no point can be drawn */
