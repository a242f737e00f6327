/* report.html of a run or a search: one file that holds everything (styles, curves as SVG, thumbnails as JPEG data), readable in light
 * and dark, without scripts. Parts that are empty are left out. */
#pragma once

#include <stddef.h>

#include "host/base/status.h"
#include "host/eval/ranked.h"

typedef struct {
  const char *name, *value;
} xr_report_fact;

typedef struct {
  const char *name;            /* "epoch 12", "paper" */
  double rank1, rank5, rank10; /* all five: fractions; negative or NaN: not known */
  double mAP, mINP;
} xr_report_result;

enum { XR_FIGURES = 5, XR_PERCENT_TEXT = 16 };
extern const char *const xr_figure_keys[XR_FIGURES]; /* "R1", "R5", "R10", "mAP", "mINP": their names in files */

/* The five in that order. */
void xr_figures_of(const xr_report_result *row, double figures[XR_FIGURES]);
xr_report_result xr_report_row(const char *name, const double figures[XR_FIGURES]);

/* "73.38" for .7338, "-" for what is not known, into text[XR_PERCENT_TEXT]; returns text. */
const char *xr_percent(char *text, double fraction);

typedef struct {
  const char *name;
  const double *x, *y; /* [count]; points that are not finite interrupt the line */
  size_t count;
} xr_report_series;

typedef struct {
  const char *title, *x_label;
  const xr_report_series *series; /* at most 6 can be told apart */
  size_t count;
} xr_report_chart;

typedef struct {
  const char *title, *subtitle; /* subtitle may be NULL */
  const char *facts_title;      /* NULL: "Configuration" */
  const xr_report_fact *facts;  /* the configuration's summary */
  size_t fact_count;
  const xr_report_result *results; /* rows of the final table */
  size_t result_count;
  const char *results_note; /* tie rule, denominators; may be NULL */
  const xr_report_chart *charts;
  size_t chart_count;
  const char *examples_title; /* NULL: "Ranked examples" */
  const xr_ranked_example *examples;
  size_t example_count;
} xr_report;

/* Appears under `path` whole or not at all. */
xr_status xr_report_write(const char *path, const xr_report *report);
