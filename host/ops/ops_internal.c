#include "host/ops/ops_internal.h"

#include "kernels/common/spans.h"

xr_status xr_infer_like_input(xr_node *node) {
  XR_TRY(xr_expect_float(node, 0));
  xr_set_output(node, 0, xr_input_dtype(node, 0), xr_input_shape(node, 0));
  return XR_OK;
}

void xr_pass_on(const xr_run *run, int i, const void *source, xr_dtype dtype, int64_t count) {
  if (run->din[i] && run->din[i] != source) xr_scaled_copy(run->din[i], dtype, xr_bit(run->accumulate, i), 1, source, dtype, count);
}
