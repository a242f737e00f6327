/* Weights that are ready to turn pictures, pixels and sentences from anywhere into features. */
#pragma once

#include "host/data/dataset.h"
#include "host/eval/encoder.h"
#include "host/eval/index.h"
#include "host/eval/score.h"
#include "host/graph/device.h"
#include "models/weights.h"

typedef struct {
  const char *weights;          /* a file that models/weights.h reads */
  const char *config;           /* NULL: the one that the weights hold, or that their tensors imply */
  const char *const *overrides; /* "key=value", [override_count] */
  size_t override_count;
  xr_device device;
  bool captions; /* read the vocabulary at once, not when the first sentence comes */
  bool no_graph; /* executor.h */
} xr_embedder_options;

typedef struct xr_embedder xr_embedder;

xr_status xr_embedder_open(xr_embedder **embedder, const xr_embedder_options *options);
void xr_embedder_free(xr_embedder *embedder); /* NULL is allowed */

const xr_config *xr_embedder_config(const xr_embedder *embedder);
int64_t xr_embedder_width(const xr_embedder *embedder);      /* D */
int64_t xr_embedder_set_size(const xr_embedder *embedder);   /* K; 0: the method has no sets */
xr_score_rule xr_embedder_rule(const xr_embedder *embedder); /* the method's score of a pair */

/* The identity of the model, for an index: method, checksum of its parameters' values, how pictures are prepared, precision. Into
 * form->model; also width and set_size. The texts live as long as the embedder. */
void xr_embedder_describe(const xr_embedder *embedder, xr_index_form *form);

/* features [count, D] and, when the method has them, sets [count, K, D] (else NULL); f32, features not normalised.
 * A picture that cannot be read is a warning and false in readable[count] (its rows mean nothing); NULL: the first one fails. */
xr_status xr_embed_pictures(xr_embedder *embedder, const xr_image_record *pictures, int64_t count, float *features, float *sets,
                            bool *readable);
/* uint8 [count, H, W, 3] at the configuration's size. */
xr_status xr_embed_pixels(xr_embedder *embedder, const uint8_t *pixels, int64_t count, float *features, float *sets);
/* XR_UNSUPPORTED: the method has no text side. XR_BAD_INPUT: there is no vocabulary, or it is not the weights'. */
xr_status xr_embed_sentences(xr_embedder *embedder, const char *const *sentences, int64_t count, float *features, float *sets);

/* Embeds the pictures into the index in `folder`, or goes on where it was broken off; unreadable ones are counted as skipped. storage and
 * shard_entries as in xr_index_form. Says how far it is. XR_BAD_INPUT: no picture could be read. */
xr_status xr_embed_index(xr_embedder *embedder, const char *folder, const xr_image_record *pictures, int64_t count, xr_dtype storage,
                         int64_t shard_entries);
