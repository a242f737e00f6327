/* ESA + ASM, text-based person search by embedding sets with an adaptive semantic margin: a sample is its global feature and a set of K
 * embeddings of what its tokens show.
 *
 *   ESA  the set, made of each modality's tokens alone (models/esa_embed.h), and the similarity of two sets SC
 *        (kernels/embedding_set/set_kinds.h)
 *   ASM  triplets on SC, whose margin follows what the samples mean (models/asm.h)
 *
 *   L = L_SDM(global) + L_ID + w_asm L_ASM(sets) + w_mmd L_MMD + w_uniformity L_uniformity (+ w_diversity L_diversity) (+ w_mlm L_MLM)
 *   score(image, caption) = (1 - w) cos(global, global) + w SC
 *
 * No layer sees both modalities, so that a gallery's features and sets are computed once. The paper's text is not public: everything below
 * its abstract is RECONSTRUCTED, and every fork is a configuration key (docs/methods/esa.md). */
#pragma once

#include "host/ops/ops.h"
#include "models/method.h"

extern const xr_method xr_esa;

/* Does anything train or read sets? Without them ESA is two towers with SDM and ID. */
bool xr_esa_wants_sets(const xr_config *config);
/* How the configuration compares sets. */
xr_set_similarity_options xr_esa_similarity(const xr_config *config);
xr_mmd_options xr_esa_mmd_options(const xr_config *config);
