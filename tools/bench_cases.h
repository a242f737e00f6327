/* What `xreid bench` can time: single operations at the papers' shapes, recorded as small graphs, so that every backend and both passes
 * come for free. */
#pragma once

#include "host/ops/ops.h"

/* CLIP ViT-B/16 at 384 x 128 and its text tower, batch 64, 11,003 identities (CUHK-PEDES); ResNet-50 at 288 x 144. */
typedef struct {
  int64_t batch;
  int64_t height, width, patch; /* of images, pixels */
  int64_t image_tokens, image_width, image_heads;
  int64_t text_tokens, text_width, text_heads;
  int64_t embed, queries, classes, vocabulary;
  int64_t set_size, set_heads, all_sets; /* of ESA; heads together as wide as `embed`; sets a side of a comparison of all with all */
  int64_t masked;                        /* tokens whose word is asked for */
  int64_t parameters;                    /* of the model that an optimiser updates */
  int64_t captions, gallery;             /* of a test split */
  int64_t frame_height, frame_width;     /* of images for a ResNet-50, pixels */
  int64_t stem;                          /* channels behind its first convolution */
} xr_bench_sizes;

xr_bench_sizes xr_bench_paper_sizes(int64_t batch);
/* Of no meaning for speed: for the emulator and for tests. */
xr_bench_sizes xr_bench_small_sizes(int64_t batch);

typedef struct {
  const char *name, *note; /* note: what the shapes do not tell, or "" */
  /* Records the operation as node "op", on inputs whose gradients are wanted if it has any; returns its result. */
  xr_var (*build)(xr_graph *g, const xr_bench_sizes *sizes);
  /* Values for its input of integers, drawn with the key; NULL: it has none. */
  void (*fill)(const xr_bench_sizes *sizes, uint64_t key, xr_shape shape, int32_t *values);
  bool forward_only;
} xr_bench_case;

extern const xr_bench_case xr_bench_cases[];
extern const int xr_bench_case_count;
