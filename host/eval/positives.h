/* The first pass of an evaluation: the positives of every query, scored and sorted. */
#pragma once

#include "host/eval/identities.h"
#include "host/eval/scores.h"
#include "kernels/retrieval/rank_count.h"

/* The items of a query's identity that are not hidden from it: higher score first, then lower gallery index. */
typedef struct {
  int64_t *first;    /* [Q + 1] */
  xr_positive *list; /* [first[Q]] */
} xr_positives;

/* A positive whose score is NaN stands with an undefined score: the second pass meets the same NaN and refuses it. */
xr_status xr_positives_find(xr_positives *positives, const xr_identities *who, xr_score_source *source);
void xr_positives_free(xr_positives *positives);
