/* One trial of an evaluation: which items and queries it has, what it counts while tiles of scores pass by, and its result. */
#pragma once

#include "host/eval/identities.h"
#include "host/eval/mirror.h"
#include "host/eval/positives.h"

/* What every trial of an evaluation shares. */
typedef struct {
  const xr_evaluation_input *in;
  const xr_protocol *protocol;
  const xr_evaluation_options *options;
  const xr_identities *who;    /* NULL: only the best items are looked for */
  xr_mirror of_item, of_query; /* of `who`, where the protocol counts identities */
  xr_backend backend;
  xr_stream stream;
} xr_trial_context;

typedef struct {
  const xr_trial_context *context;
  xr_trial part;
  xr_evaluation *out;
  int64_t chosen_count, identities; /* items, and different ids among them */
  int32_t *plain_chosen;            /* [chosen_count], ascending; NULL: the whole gallery */
  int64_t *plain_first;             /* [Q + 1] */
  xr_positive *plain_positives;     /* as in xr_positives, of this trial's items and queries */
  bool borrowed;                    /* both belong to the evaluation's xr_positives */
  /* ahead and equal: [2, positives]; best: [Q]; bits: [Q, words] */
  xr_mirror chosen, first, positives, counts, best, bits, top_index, top_score;
} xr_trial_state;

/* Fills in out's sizes and makes its arrays. XR_BAD_INPUT: the trial has no items or no queries. */
xr_status xr_trial_open(xr_trial_state *state, const xr_trial_context *context, const xr_trial *trial, xr_evaluation *out);
/* Picks the trial's positives from all, before the tiles come. */
xr_status xr_trial_take_positives(xr_trial_state *state, const xr_positives *all);
/* The source's tile holds `count` queries from `first` on; what is hidden is NaN. */
xr_status xr_trial_look(xr_trial_state *state, const xr_score_source *source, int64_t first, int64_t count);
/* After the last tile: the measures. XR_BAD_INPUT: no query has a positive. */
xr_status xr_trial_finish(xr_trial_state *state);
void xr_trial_close(xr_trial_state *state);

/* The measures from the counts (measures.c). ahead, equal [positives]: rank_count.h; bits [Q, words] or NULL: identity_rank.h. */
xr_status xr_measure(xr_evaluation *out, const int64_t *first, const xr_positive *positives, const int32_t *ahead, const int32_t *equal,
                     const uint32_t *bits, int64_t identities);
