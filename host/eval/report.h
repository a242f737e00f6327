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
  const xr_report_fact *facts;  /* the configuration's summary */
  size_t fact_count;
  const xr_report_result *results; /* rows of the final table */
  size_t result_count;
  const char *results_note; /* tie rule, denominators; may be NULL */
  const xr_report_chart *charts;
  size_t chart_count;
  const xr_ranked_example *examples;
  size_t example_count;
} xr_report;

/* Appears under `path` whole or not at all. */
xr_status xr_report_write(const char *path, const xr_report *report);
