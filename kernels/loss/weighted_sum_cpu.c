#include "kernels/loss/weighted_sum.h"

xr_status xr_weighted_sum_check(const xr_weighted_sum *a) {
  if (a->terms < 1 || a->terms > XR_MAX_LOSSES)
    return xr_fail(XR_BAD_ARGUMENT, "weighted_sum: %d terms, 1 to %d are supported", a->terms, XR_MAX_LOSSES);
  return XR_OK;
}

xr_status xr_weighted_sum_forward_cpu(const xr_weighted_sum *a) {
  XR_TRY(xr_weighted_sum_check(a));
  double total = 0;
  for (int i = 0; i < a->terms; i++) total += (double)a->weight[i] * (double)a->loss[i][0];
  a->total[0] = (float)total;
  return XR_OK;
}

xr_status xr_weighted_sum_backward_cpu(const xr_weighted_sum *a) {
  XR_TRY(xr_weighted_sum_check(a));
  for (int i = 0; i < a->terms; i++)
    if (a->dloss[i]) a->dloss[i][0] = a->weight[i] * a->dtotal[0] + (a->accumulate_dloss[i] ? a->dloss[i][0] : 0);
  return XR_OK;
}
