/* What the backends of set_score.h share. */
#pragma once

#include "kernels/retrieval/set_pair.h"
#include "kernels/retrieval/set_score.h"

XR_C_BEGIN

xr_set_plan xr_set_plan_of(const xr_set_score *a);

XR_C_END
