/* What keeps ESA's embedding sets apart and both modalities together (docs/methods/esa.md). Sets [B, K, D] of images and of captions; the
 * two sizes may differ. Losses are f32 [1]. */
#pragma once

#include "host/ops/ops.h"

/* Maximum mean discrepancy of all elements of the images' sets and all of the captions'. Sets f32, unit rows. */
xr_var xr_esa_mmd(xr_graph *g, xr_var image_sets, xr_var text_sets, xr_mmd_options options);

/* Uniformity inside a set, the mean of both modalities. residual: the part E of a set that is added to the global feature, f32 or bf16,
 * of any length: it is normalised here. */
xr_var xr_esa_uniformity(xr_graph *g, xr_var image_residual, xr_var text_residual);

/* Diversity inside a set, the mean of both modalities. Sets f32, unit rows. */
xr_var xr_esa_diversity(xr_graph *g, xr_var image_sets, xr_var text_sets);

/* The mean cosine of two elements of a set, over both modalities: for the log, without gradient. Near 1 the sets have collapsed. */
xr_var xr_esa_set_cosine(xr_graph *g, xr_var image_sets, xr_var text_sets);
