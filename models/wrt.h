/* WRT, the weighted regularized triplet loss of AGW, and the squared form of CAJ (kernels/loss/triplet/weighted_regularized_triplet.h). */
#pragma once

#include "models/method.h"

/* The options of the configuration's section loss.wrt. */
xr_wrt_options xr_wrt_options_of(const xr_config *config);

/* features f32 or bf16 [B, D] of both modalities, as they are; identity i32 [B] -> f32 [1] */
xr_var xr_wrt_loss(xr_graph *g, xr_var features, xr_var identity, xr_wrt_options options);
