/* Turns a split's images and captions into features, and ranks them. */
#pragma once

#include "host/eval/evaluate.h"
#include "host/eval/task.h"
#include "host/graph/executor.h"

typedef struct xr_encoder xr_encoder;

typedef struct {
  xr_dtype compute;
  xr_backend backend; /* where the parameters lie */
  bool no_graph;      /* executor.h */
  bool tokens;        /* xr_encode_samples() may give every projected token too */
} xr_encoder_options;

/* Records and plans the two encoder graphs over `parameters` (which may not be allocated yet). The task and the parameters outlive it. */
xr_status xr_encoder_new(xr_encoder **encoder, const xr_task *task, xr_parameters *parameters, xr_encoder_options options);
void xr_encoder_free(xr_encoder *encoder);

size_t xr_encoder_arena_bytes(const xr_encoder *encoder); /* of the larger of the two plans */

/* Features of a split: images [images, embed] and captions [captions, embed], f32, not normalised. Fresh blocks (xr_block_free). `memory`
 * has xr_encoder_arena_bytes() of the backend for the activations, or is NULL: allocated for the time of the call. */
typedef struct {
  float *images, *captions;
  int64_t image_count, caption_count, width;
} xr_split_features;
xr_status xr_encode_split(xr_encoder *encoder, xr_split_id split, void *memory, xr_split_features *features);
void xr_split_features_free(xr_split_features *features);

typedef enum { XR_ENCODE_IMAGES, XR_ENCODE_TEXTS } xr_encoder_side;

/* Samples from anywhere. */
typedef struct {
  int64_t count;
  /* Writes samples first .. first + n - 1: pixels u8 [n, height, width, 3], or ids i32 [n, context] and the places of their end tokens to
   * end[n]. */
  xr_status (*read)(void *context, int64_t first, int64_t n, void *rows, int32_t *end);
  void *context;
} xr_sample_source;

/* features [count, embed] and tokens [count, N, embed] (NULL: not wanted), f32, not normalised. `memory` as above. */
xr_status xr_encode_samples(xr_encoder *encoder, xr_encoder_side side, const xr_sample_source *source, void *memory, float *features,
                            float *tokens);
/* N of the side's tokens */
int64_t xr_encoder_tokens(const xr_encoder *encoder, xr_encoder_side side);

/* Ranks the split's images for each of its captions: text-to-image, cosine. top_k > 0 also lists the best images of every caption. */
xr_status xr_rank_split(const xr_task *task, xr_split_id split, const xr_split_features *features, int64_t top_k, xr_evaluation *result);

/* Rank-1 of a random order: the mean share of right images in the gallery. */
double xr_chance_rank1(const xr_split *split);
