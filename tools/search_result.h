/* What `xreid search` found, and the four ways in which it is shown. */
#pragma once

#include "host/eval/index.h"

typedef struct {
  const char *text;  /* the sentence; NULL: a picture, or features */
  const char *image; /* the picture's path; NULL: a sentence, or features */
} xr_search_query;

typedef struct {
  xr_index *index;
  const char *gallery; /* as it was named */
  const xr_search_query *queries;
  int64_t query_count, top_k;
  const int64_t *rows; /* [query_count, top_k], as xr_search_index() gives them */
  const float *scores;
} xr_search_result;

xr_status xr_print_search(const xr_search_result *result); /* a table on standard output */
xr_status xr_write_search_json(const xr_search_result *result, const char *path);
xr_status xr_write_search_sheet(const xr_search_result *result, const char *path);
xr_status xr_write_search_page(const xr_search_result *result, const char *path);
