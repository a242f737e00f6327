/* Runs one module or loss of models/modules.h on arrays from files, forward and backward. */
#pragma once

#include "host/graph/device.h"
#include "models/modules.h"

typedef struct {
  const char *in, *out; /* folders; `out` is made when it is not there */
  xr_dtype compute;     /* XR_F32 or XR_BF16 */
  xr_backend backend;
  uint64_t seed;
} xr_module_options;

/* Reads <in>/<tensor>.npy for every tensor and parameter, writes <out>/<output>.npy (f32) and, for every float tensor and parameter,
 * <out>/grad.<tensor>.npy: the gradient of the output `loss`, or of the sum over outputs of <output, grad_out.<output>.npy>, where a
 * missing file counts as 0. With neither a loss nor any grad_out file there are no gradients. The configuration may be changed.
 * XR_NOT_FOUND and XR_BAD_INPUT name the file, the shape that is expected and the one that is there. */
xr_status xr_module_run(const xr_module *module, xr_config *config, const xr_module_options *options);

/* The parameters that the module makes at small example sizes, one a line, "imfi.query [4, 8]". */
xr_status xr_module_describe(const xr_module *module, xr_config *config, void (*line)(void *context, const char *text), void *context);
