/* IRRA (Jiang and Ye, "Cross-modal implicit relation reasoning and aligning for text-to-image person retrieval", CVPR 2023): CLIP's towers
 * trained with similarity distribution matching (SDM), an identity loss and masked-language modelling (models/mlm.h). */
#pragma once

#include "models/method.h"

extern const xr_method xr_irra;
