/* Turns images and captions into features; ranks a split's. */
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
  bool tokens;         /* give every projected token too */
  bool pair_tokens;    /* with tokens: those that the method's score_pairs reads instead */
  bool rank;           /* for xr_encode_split: also order the best images anew, where the method does (pair_score.h) */
} xr_encoder_options;

/* Records and plans the two encoder graphs over `parameters` (which may not be allocated yet). The task and the parameters outlive it. */
xr_status xr_encoder_new(xr_encoder **encoder, const xr_task *task, xr_parameters *parameters, xr_encoder_options options);
void xr_encoder_free(xr_encoder *encoder);

/* Writes captions' lengths, times `factor` and less `without` but not below 0, to an input; nothing for the empty one. */
xr_status xr_feed_lengths(xr_executor *executor, xr_var input, int32_t factor, int32_t without, const int32_t *lengths, int64_t count);

size_t xr_encoder_arena_bytes(const xr_encoder *encoder); /* of the larger of the two plans */

typedef enum { XR_ENCODE_IMAGES, XR_ENCODE_TEXTS } xr_encoder_side;

/* `memory` below has xr_encoder_arena_bytes() of the backend for the activations, or is NULL: allocated for the time of the call. */

/* Samples from anywhere. */
typedef struct {
  int64_t count;
  /* Writes samples first .. first + n - 1: pixels u8 [n, height, width, 3] (lengths is NULL), or ids i32 [n, context] and the number of
   * tokens up to the end token, lengths[n]. Called in order, for a whole batch until the last one. */
  xr_status (*read)(void *context, int64_t first, int64_t n, void *rows, int32_t *lengths);
  void *context;
} xr_sample_source;

/* features [count, embed], tokens [count, N, embed] (NULL: not wanted): f32, not normalised. sets [count, K, embed] (NULL: not wanted):
 * f32, each row of length 1; the method has sets. */
xr_status xr_encode_samples(const xr_encoder *encoder, xr_encoder_side side, const xr_sample_source *source, void *memory, float *features,
                            float *sets, float *tokens);
/* The N of one side; the encoder was made with options.tokens. */
int64_t xr_encoder_tokens(const xr_encoder *encoder, xr_encoder_side side);
/* The K of both sides; 0: the method has no sets. */
int64_t xr_encoder_set_size(const xr_encoder *encoder);

/* The same for all images or captions of a split of the task's data set. */
xr_status xr_encode_side(const xr_encoder *encoder, xr_encoder_side side, xr_split_id split, void *memory, float *features, float *sets,
                         float *tokens);

/* How the method scores an image and a caption. */
xr_score_rule xr_task_score_rule(const xr_task *task);
/* How the samples of a split are read. */
xr_loader_options xr_encoding_loader(const xr_config *config);

/* Both sides of a split: images [images, embed] and captions [captions, embed]; image_sets [images, set_size, embed] and caption_sets
 * where the score needs sets (else NULL, and set_size is 0). Fresh blocks (xr_block_free). */
typedef struct {
  float *images, *captions, *image_sets, *caption_sets;
  int64_t image_count, caption_count, width, set_size;
  float *scores;      /* [captions, images]: rank by these, not by the features; or NULL */
  xr_backend backend; /* where they are ranked: the encoder's */
} xr_split_features;
xr_status xr_encode_split(const xr_encoder *encoder, xr_split_id split, void *memory, xr_split_features *features);
void xr_split_features_free(xr_split_features *features);

/* Ranks the split's images for each of its captions: text-to-image, by the method's score. top_k > 0 also lists the best images of every
 * caption. */
xr_status xr_rank_split(const xr_task *task, xr_split_id split, const xr_split_features *features, int64_t top_k, xr_evaluation *result);

/* Rank-1 of a random order: the mean share of right images in the gallery. */
double xr_chance_rank1(const xr_split *split);
