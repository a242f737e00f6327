/* Batches, prepared by worker threads while the consumer computes.
 *
 * A loader has a ring of slots, each with room for one batch. Workers claim single samples in the order of the epoch, so one batch is
 * spread over all of them, and run ahead as far as slots are free. Batches are delivered in order and do not depend on the number of
 * workers, on the cache or on where an epoch was entered. What a worker cannot read fails the batch it belongs to, with the name of
 * the file; of several failures in a batch the first sample's is reported.
 *
 * Images stay uint8 at the network's input size; kernels/image/augment.h carries out the decisions and normalises.
 * A loader belongs to one consumer thread. */
#pragma once

#include "host/data/augment.h"
#include "host/data/dataset.h"
#include "host/data/image.h"
#include "host/data/mask.h"
#include "host/data/sampler.h"
#include "host/data/tokenizer.h"

enum { XR_LOADER_MAX_WORKERS = 256 };

typedef struct {
  int32_t width, height;      /* pixels */
  xr_resize_filter filter;    /* of the resize */
  int32_t context;            /* tokens of a caption */
  int32_t batch;              /* evaluation; training has the sampler's */
  int workers;                /* threads, 0 .. XR_LOADER_MAX_WORKERS; 0: xr_loader_next does the work itself */
  int slots;                  /* batches in the ring, >= 2: how far workers run ahead of the consumer */
  size_t cache_bytes;         /* decoded images that are kept in memory; 0: none */
  bool allow_truncated;       /* cut JPEGs: grey rows and one warning a file, instead of an error */
  xr_augment_options augment; /* training; all zero: no augmentation */
  bool flip_swaps_words;      /* training: in the caption of an image that is flipped, "left" and "right" change places */
  uint64_t seed;              /* of the augmentation and of the masks */
  xr_mask_options mask;       /* training: masked words for a masked-language loss; all zero: none */
  bool mask_tokens;           /* with them: `tokens` are masked, too, by a draw of their own */
} xr_loader_options;

/* Every array has `size` entries. The last batch of an epoch may hold fewer samples: `count` of them are real, the others repeat the
 * last real one, so that shapes stay fixed and values stay legal. Pointers are valid until the batch is released. */
typedef struct {
  int64_t number;                       /* of the batch within the epoch: 0, 1, .. */
  int32_t count, size;                  /* samples, B */
  const int32_t *samples;               /* [B] index into the split's captions; of an image loader, into its images */
  const uint8_t *pixels;                /* [B, height, width, 3]; NULL: a caption loader */
  const int32_t *tokens;                /* [B, context], padded with 0; NULL: an image loader */
  const int32_t *lengths;               /* [B] tokens with start and end: the end token is at lengths - 1; NULL: an image loader */
  const int32_t *pids, *image_ids;      /* [B] */
  const int32_t *labels;                /* [B] class of the identity, -1 outside the train split */
  const xr_augment_decision *decisions; /* [B]; NULL: not a training loader */
  const int32_t *masked_tokens;         /* [B, context] with masked words; NULL without them, and what follows */
  const int32_t *mask_index;            /* [R] places of the chosen words in masked_tokens, ascending, then -1 */
  const int32_t *mask_label;            /* [R] what stood there, then -1 */
  int64_t mask_rows;                    /* R = xr_mask_capacity(B, context, probability) */
} xr_batch;

typedef struct xr_loader xr_loader;

/* Training: the captions of the train split with their images, in the sampler's order. The data set, the sampler (made over the train
 * split's captions) and the tokenizer must outlive the loader. XR_BAD_INPUT: flip_swaps_words with a vocabulary that has no single
 * token for "left" or "right". */
xr_status xr_loader_open(xr_loader **loader, const xr_dataset *dataset, const xr_sampler *sampler, const xr_tokenizer *tokenizer,
                         const xr_loader_options *options);

/* Evaluation: all images, or all captions, of a split in their order, without augmentation. */
xr_status xr_loader_open_images(xr_loader **loader, const xr_dataset *dataset, xr_split_id split, const xr_loader_options *options);
xr_status xr_loader_open_captions(xr_loader **loader, const xr_dataset *dataset, xr_split_id split, const xr_tokenizer *tokenizer,
                                  const xr_loader_options *options);

void xr_loader_free(xr_loader *loader); /* at any time; NULL is allowed */

/* Goes to batch `first_batch` of an epoch (evaluation loaders: of the split, epoch is ignored), whatever was going on; batches that
 * were delivered are no longer valid. Must come before the first xr_loader_next. */
xr_status xr_loader_start_epoch(xr_loader *loader, uint64_t epoch, int64_t first_batch);
int64_t xr_loader_batches(const xr_loader *loader); /* in the epoch that was started */

/* The next batch, *batch = NULL after the last one. Waits for the workers. After a failure every call fails until an epoch is started.
 * The consumer may hold slots - 1 batches; XR_BAD_ARGUMENT when it asks for one more. */
xr_status xr_loader_next(xr_loader *loader, const xr_batch **batch);
void xr_loader_release(xr_loader *loader, const xr_batch *batch);

/* Seconds that xr_loader_next has waited since the loader was opened. */
double xr_loader_waited_seconds(const xr_loader *loader);
