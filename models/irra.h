/* IRRA (Jiang and Ye, "Cross-modal implicit relation reasoning and aligning for text-to-image person retrieval", CVPR 2023): CLIP's towers
 * trained with similarity distribution matching (SDM) and an identity loss. Its masked-language-modelling branch is not part of this build
 * yet. */
#pragma once

#include "models/method.h"

extern const xr_method xr_irra;
