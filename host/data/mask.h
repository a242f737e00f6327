/* Masked language modelling: which words of a caption are hidden, and what the model is asked for (as IRRA does, Jiang and Ye, CVPR 2023).
 *
 * A word is an id between 0 and the mask's, both left out: not padding (nor "!" within another word, whose id is 0), not start or end.
 * Each is chosen with `probability`; of the chosen ones the share `mask_share` becomes the mask, `random_share` a random word, the rest
 * stays. If none was chosen, the first word becomes the mask: IRRA takes position 1, which is the same unless that is no word. A caption
 * without any word stays as it is.
 *
 * The mask is the id just below the start's, as in IRRA's tokenizer: the last merge of any vocabulary, learnt ones included (CLIP's 49405,
 * "jekyll"; xr_tokenizer_mask). It needs no row of its own in the token table, and CLIP's weights fit. Captions may hold that word,
 * rare as it is: it is never chosen and looks like a mask.
 *
 * Draws are pure functions of (key, epoch, position of the sample in the epoch, place of the word). */
#pragma once

#include <stdint.h>

#include "host/base/status.h"

typedef struct {
  float probability;              /* of a word; 0: no masking */
  float mask_share, random_share; /* of the chosen words */
} xr_mask_options;

typedef struct {
  uint64_t key, epoch, position;
} xr_mask_draw;

/* Probabilities outside 0 .. 1, shares whose sum is above 1. */
xr_status xr_mask_check(const xr_mask_options *options);

/* Rows that a step has for chosen words, for `batch` captions of `context` ids: the number to be expected when every caption fills its
 * context, and six standard deviations more, up to a multiple of 8 (batch 64, context 77: 872; captions of CUHK-PEDES need about 250).
 * At most every place that may hold a word. */
int64_t xr_mask_capacity(int64_t batch, int64_t context, float probability);

/* Changes ids[context] of one caption; target[context] receives the id that stood where a word was chosen, elsewhere -1 (NULL: nobody
 * asks for the words). mask_id >= 2. */
void xr_mask_caption(const xr_mask_options *options, xr_mask_draw draw, int32_t mask_id, int context, int32_t *ids, int32_t *target);

/* The chosen words of a batch, ids and target [places]: their places in ascending order and what they were, then -1 up to `capacity`.
 * Words beyond the capacity get their id back, so no word is hidden that the model is not asked for. The number of words. */
int64_t xr_mask_collect(int64_t places, int32_t *ids, const int32_t *target, int64_t capacity, int32_t *index, int32_t *label);
