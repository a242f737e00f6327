/* A handful of scalars: one thread, in order. The same loss may stand in several terms. */
#include "kernels/common/launch.h"
#include "kernels/loss/weighted_sum.h"

static __global__ void forward_kernel(const xr_weighted_sum a) {
  double total = 0;
  for (int i = 0; i < a.terms; i++) total += (double)a.weight[i] * (double)a.loss[i][0];
  a.total[0] = (float)total;
}

static __global__ void backward_kernel(const xr_weighted_sum a) {
  for (int i = 0; i < a.terms; i++)
    if (a.dloss[i]) a.dloss[i][0] = a.weight[i] * a.dtotal[0] + (a.accumulate_dloss[i] ? a.dloss[i][0] : 0);
}

extern "C" xr_status xr_weighted_sum_forward_cuda(const xr_weighted_sum *a, xr_stream stream) {
  XR_TRY(xr_weighted_sum_check(a));
  return xr_launch("weighted_sum", forward_kernel, 1, 1, 0, stream, *a);
}

extern "C" xr_status xr_weighted_sum_backward_cuda(const xr_weighted_sum *a, xr_stream stream) {
  XR_TRY(xr_weighted_sum_check(a));
  return xr_launch("weighted_sum", backward_kernel, 1, 1, 0, stream, *a);
}
