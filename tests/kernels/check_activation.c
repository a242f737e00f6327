#include "kernels/activation/activation.h"
#include "tests/kernels/check.h"

/* flags */
enum { ACCUMULATE = 1, IN_PLACE = 2 };

static xr_status activation(check_run *run) {
  const int64_t n = check_size(run, 0), flags = check_size(run, 2);
  const xr_dtype dtype = check_dtype(run);
  xr_activation a = {.kind = (xr_activation_kind)check_size(run, 1), .count = n, .dtype = dtype, .accumulate_dx = flags & ACCUMULATE};
  a.x = check_in(run, "x", dtype, n, CHECK_NORMAL);
  a.dx = flags ? check_inout(run, "dx", dtype, n, CHECK_NORMAL) : check_out(run, "dx", dtype, n);
  a.dy = flags & IN_PLACE ? a.dx : check_in(run, "dy", dtype, n, CHECK_NORMAL);
  XR_TRY(CHECK_CALL(run, xr_activation_backward, &a));
  if (flags & IN_PLACE) a.x = check_inout(run, "y", dtype, n, CHECK_NORMAL);
  a.y = flags & IN_PLACE ? (void *)a.x : check_out(run, "y", dtype, n);
  return CHECK_CALL(run, xr_activation_forward, &a);
}

static const check_case cases[] = {
    {{129, XR_ACTIVATION_NONE, 0}, .golden = "none"},
    {{129, XR_ACTIVATION_QUICK_GELU, 0}, .golden = "quick_gelu"},
    {{129, XR_ACTIVATION_GELU, 0}, .golden = "gelu"},
    {{0, XR_ACTIVATION_GELU, 0}},
    {{1, XR_ACTIVATION_QUICK_GELU, ACCUMULATE}},
    {{2047, XR_ACTIVATION_GELU, IN_PLACE}},
    {{4104, XR_ACTIVATION_QUICK_GELU, IN_PLACE}},
    {{1025, XR_ACTIVATION_GELU, ACCUMULATE}},
    {{24, XR_ACTIVATION_NONE, ACCUMULATE}},
    {{129, XR_ACTIVATION_TANH, 0}, .golden = "tanh"},
    {{129, XR_ACTIVATION_LOGISTIC, 0}, .golden = "logistic"},
    {{1025, XR_ACTIVATION_TANH, ACCUMULATE}},
    {{2047, XR_ACTIVATION_LOGISTIC, IN_PLACE}},
};

static const check_op ops[] = {
    {"activation", activation, "count kind flags", CHECK_FLOATS, CHECK_CASES(cases), .golden = "activation"},
};
CHECK_OPS(ops)
