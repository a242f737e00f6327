/* Turns a split's images and captions into features, and ranks them. */
#pragma once

#include "host/data/loader.h"
#include "host/eval/evaluate.h"
#include "host/eval/task.h"
#include "host/graph/executor.h"

typedef struct xr_encoder xr_encoder;

typedef struct {
  xr_dtype compute;
  xr_backend backend;  /* where the parameters lie */
  bool no_graph, tf32; /* executor.h */
} xr_encoder_options;

/* Records and plans the two encoder graphs over `parameters` (which may not be allocated yet). The task and the parameters outlive it. */
xr_status xr_encoder_new(xr_encoder **encoder, const xr_task *task, xr_parameters *parameters, xr_encoder_options options);
void xr_encoder_free(xr_encoder *encoder);

/* Writes the captions' lengths, times `scales`, to an input; nothing for the empty one. */
xr_status xr_feed_joint_length(xr_executor *executor, xr_var input, int32_t scales, const xr_batch *batch);

size_t xr_encoder_arena_bytes(const xr_encoder *encoder); /* of the larger of the two plans */

/* Features of a split: images [images, embed] and captions [captions, embed], f32, not normalised. Fresh blocks (xr_block_free). `memory`
 * has xr_encoder_arena_bytes() of the backend for the activations, or is NULL: allocated for the time of the call. */
typedef struct {
  float *images, *captions;
  int64_t image_count, caption_count, width;
} xr_split_features;
xr_status xr_encode_split(xr_encoder *encoder, xr_split_id split, void *memory, xr_split_features *features);
void xr_split_features_free(xr_split_features *features);

/* Ranks the split's images for each of its captions: text-to-image, cosine. top_k > 0 also lists the best images of every caption. */
xr_status xr_rank_split(const xr_task *task, xr_split_id split, const xr_split_features *features, int64_t top_k, xr_evaluation *result);

/* Rank-1 of a random order: the mean share of right images in the gallery. */
double xr_chance_rank1(const xr_split *split);
