#include "host/ops/ops_internal.h"

#include "kernels/elementwise/scale.h"

xr_status xr_infer_like_input(xr_node *node) {
  XR_TRY(xr_expect_float(node, 0));
  xr_set_output(node, 0, xr_input_dtype(node, 0), xr_input_shape(node, 0));
  return XR_OK;
}

xr_status xr_pass_on(const xr_run *run, int i, const void *source, xr_dtype dtype, int64_t count) {
  if (!run->din[i] || (run->din[i] == source && !xr_bit(run->accumulate, i))) return XR_OK;
  xr_scale k = {.count = count, .dtype = dtype, .alpha = 1, .dy = source, .dx = run->din[i], .accumulate_dx = xr_bit(run->accumulate, i)};
  return XR_ON(run, xr_scale_backward, &k);
}
