/* The best images of every caption in a new order: for methods that look at an image and a caption at once (xr_method.score_pairs). Such a
 * score costs a forward pass a pair, so the cosine of the features ranks all images first and only the best imfi.rerank of each caption are
 * scored; they stay ahead of the others. Equal scores keep the cosine's order.
 *
 * Memory: the captions' tokens up to their ends (in the compute dtype), the images' tokens a few batches at a time, every caption's scores
 * of all images (f32). Results are byte-equal for any number of threads. */
#pragma once

#include "host/eval/encoder.h"

typedef struct xr_pair_scorer xr_pair_scorer;

/* Records and plans encoders that give the pairs' tokens, and the graph of eval.batch pairs. *scorer is NULL where the configuration asks
 * for no such order. The task and the parameters (not allocated yet, perhaps) outlive it. */
xr_status xr_pair_scorer_new(xr_pair_scorer **scorer, const xr_task *task, xr_parameters *parameters, xr_encoder_options options);
void xr_pair_scorer_free(xr_pair_scorer *scorer);                /* NULL is allowed */
size_t xr_pair_scorer_arena_bytes(const xr_pair_scorer *scorer); /* 0 for NULL */

/* Fills features->scores. memory: as in encoder.h, xr_pair_scorer_arena_bytes() of it. XR_NOT_FINITE: a pair's score is not a number. */
xr_status xr_pair_rerank(const xr_pair_scorer *scorer, xr_split_id split, void *memory, xr_split_features *features);

/* What xr_pair_rerank makes of its scores. best [queries, count]: gallery items of each query, best first, -1 behind the last; score
 * [queries, count]: their new scores. Raises the items' entries of scores [queries, gallery] above all others, in the new order. */
xr_status xr_reorder_best(int64_t queries, int64_t gallery, int64_t count, const int64_t *best, const float *score, float *scores);
