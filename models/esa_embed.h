/* ESA, embedding set alignment: a sample's tokens become a set of K embeddings, by one of six ways (esa.kind). */
#pragma once

#include "models/esa_slot.h"
#include "models/method.h"
#include "models/modality.h"

typedef struct {
  xr_modality modality;
  xr_var tokens; /* X [B, N, D]: an image's patches, or a caption's words */
  xr_var length; /* i32 [B] or empty: tokens from there on do not count */
  xr_var global; /* g [B, D] */
  xr_var score;  /* f32 [B, N], topk: how much the global feature's token looks at each */
  xr_var shared; /* what xr_esa_shared() gave */
} xr_esa_input;

/* What both modalities start from, with esa.shared_queries: a graph's first call for ESA. Empty where they share nothing. */
xr_var xr_esa_shared(xr_graph *g, const xr_config *config);

/* Parameters: esa.image.*, esa.text.*, and where modalities share them esa.* (decoder: all). */
xr_esa_sets xr_esa_embed(xr_graph *g, const xr_config *config, const xr_esa_input *in);
