/* Launches an empty kernel: the way to learn whether this build holds code for the current device. Returns a cudaError_t. */
#pragma once

#include "host/base/status.h"
#include "kernels/common/stream.h"

XR_C_BEGIN

int xr_probe_cuda(xr_stream stream);

XR_C_END
