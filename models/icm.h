/* ICM, identity-aware centre mining (CSCL; RECONSTRUCTED): the visible and the infrared samples of a person are drawn together by their
 * centres (kernels/loss/centre/centre_mining.h; kind memory: modality_memory.h), and other losses of the literature to the same end. */
#pragma once

#include "models/method.h"

typedef struct {
  xr_mining_options mining;
  bool normalize;  /* of the features first */
  bool memory;     /* centres that are remembered over the steps; mining is not read then */
  int64_t classes; /* memory: training identities */
  float momentum;  /* memory: how much of a centre stays in a step, 0.9 */
} xr_icm_options;

/* The options of the configuration's section loss.icm. */
xr_icm_options xr_icm_options_of(const xr_model_context *context);

/* features f32 or bf16 [B, D], of which the first `visible` rows are visible; identity i32 [B] (memory: 0 .. classes-1) -> f32 [1].
 * Memory keeps the state icm.memory.{visible_centres,infrared_centres,seen}. */
xr_var xr_icm_loss(xr_graph *g, xr_var features, xr_var identity, int64_t visible, const xr_icm_options *options);
