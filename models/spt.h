/* SPT, semi-positive triplets (CMSN; RECONSTRUCTED, docs/methods/cmsn.md): an image's own caption comes before the captions of the same
 * person's other images, and those before the captions of other people (kernels/loss/triplet/semi_positive_triplet.h). */
#pragma once

#include "models/method.h"

/* cosine f32 [B, B] of the features image, text [B, D], which are read with loss.spt.intra only; identity, image_id i32 [B] -> f32 [1].
 * With intra: the mean of the loss between the modalities, between images and between texts. */
xr_var xr_spt_loss(xr_graph *g, const xr_config *config, xr_var cosine, xr_var image, xr_var text, xr_var identity, xr_var image_id);
