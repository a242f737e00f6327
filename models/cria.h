/* CRIA, combined-representation identity alignment (CMSN; RECONSTRUCTED, docs/methods/cmsn.md): the centres that an identity has among the
 * images, the texts and the combined representations of a batch are drawn together.
 *
 *   L_CRIA = alignment of the centres of v / |v|, t / |t|, c / |c|  (kernels/loss/centre/centre_alignment.h; memory: centre_memory.h)
 *            + loss.cria.classify CE(classifier(c), identity)
 *
 * Without a combined representation the centres are those of v and t. */
#pragma once

#include "models/method.h"

/* image, text, combined [B, D]; combined may be empty. identity i32 [B] -> f32 [1]. *samples (or NULL) receives how many samples an
 * identity has in the batch on average, f32 [1]: near 1 the centres are single samples; with kind memory, which does not mind, nothing. */
xr_var xr_cria_loss(xr_graph *g, const xr_model_context *context, xr_var image, xr_var text, xr_var combined, xr_var identity,
                    xr_var *samples);
