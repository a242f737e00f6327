/* The names of CLIP's tensors in files. Ours are those of OpenAI's code (openai/CLIP, clip/model.py); one table relates them to Hugging
 * Face's (transformers, models/clip), with what has to be done to the values on the way.
 *
 *   OpenAI, ours                                          Hugging Face
 *   visual.transformer.resblocks.0.attn.in_proj_weight    vision_model.encoder.layers.0.self_attn.{q,k,v}_proj.weight, joined
 *   visual.proj [width, embed]                            visual_projection.weight [embed, width], transposed
 *
 * Tensors of heads keep their names under every naming. The prefixes that wrappers add are taken off: "base_model." (IRRA's checkpoints),
 * "module." (PyTorch's data parallelism). */
#pragma once

#include <stdbool.h>

typedef enum {
  XR_WEIGHT_AS_IT_IS,
  XR_WEIGHT_TRANSPOSED, /* a matrix stored the other way round; square ones show no difference in shape */
  XR_WEIGHT_JOINED      /* queries, keys and values are tensors of their own; ours has them one after another in its first dimension */
} xr_weight_transform;

enum { XR_WEIGHT_NAME = 256, XR_WEIGHT_PARTS = 3 };

typedef struct {
  char name[XR_WEIGHT_NAME];
  xr_weight_transform transform;
  int part; /* XR_WEIGHT_JOINED: 0, 1, 2 for q, k, v */
} xr_weight_name;

/* What a file's tensor is in our naming. */
void xr_weight_name_ours(const char *theirs, xr_weight_name *ours);

/* What our tensor is called by Hugging Face, `part` of it if it is joined there. False: it belongs to no tower. */
bool xr_weight_name_huggingface(const char *ours, int part, xr_weight_name *theirs);

/* Our name of a tensor of CLIP's two towers? */
bool xr_weight_is_tower(const char *ours);

/* Our name of something that no graph of ours reads and whose absence or presence means nothing: logit_scale, buffers, the state of an
 * optimiser. */
bool xr_weight_is_skipped(const char *ours);
