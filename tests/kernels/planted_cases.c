/* Cases for checkkernel's own test (checkkernel.sh): a right kernel, and ones with one fault each in the device version. They run in the
 * emulator's build, where the host can write to the device's memory. */
#include <math.h>

#include "tests/kernels/check.h"

enum { COUNT = 100 };

typedef enum { NONE, OFF, UNWRITTEN, BEFORE, PAST, INPUT_WRITTEN, CHANGING, FAILING, NOT_A_NUMBER, WRONG_INTEGER, INEXACT } fault;

/* y = 3 x, n = 7 */
typedef struct {
  fault fault;
  xr_dtype dtype;
  void *x, *y;
  int32_t *n;
} planted;

static void set(const planted *a, int i, float value) {
  if (a->dtype == XR_F32)
    ((float *)a->y)[i] = value;
  else
    ((xr_bf16 *)a->y)[i] = xr_f32_to_bf16(value);
}

static float get(const planted *a, int i) {
  return a->dtype == XR_F32 ? ((const float *)a->x)[i] : xr_bf16_to_f32(((const xr_bf16 *)a->x)[i]);
}

static xr_status planted_cpu(const planted *a) {
  for (int i = 0; i < COUNT; i++) set(a, i, 3 * get(a, i));
  *a->n = 7;
  return XR_OK;
}

static xr_status planted_cuda(const planted *a, xr_stream stream) {
  static int calls; /* a kernel that is not a function of its arguments */
  (void)stream;
  for (int i = 0; i < COUNT; i++)
    if (!(a->fault == UNWRITTEN && i == COUNT - 1)) set(a, i, 3 * get(a, i));
  *a->n = a->fault == WRONG_INTEGER ? 8 : 7;
  if (a->fault == OFF) set(a, 3, 3 * get(a, 3) + 0.5f);
  if (a->fault == INEXACT) ((float *)a->y)[3] = nextafterf(((float *)a->y)[3], INFINITY);
  if (a->fault == BEFORE) set(a, -1, 0);
  if (a->fault == PAST) set(a, COUNT, 0);
  if (a->fault == INPUT_WRITTEN) memset(a->x, 0, 1);
  if (a->fault == CHANGING && calls++ % 2) set(a, 0, nextafterf(3 * get(a, 0), 1e30f) * (a->dtype == XR_BF16 ? 1.004f : 1));
  if (a->fault == NOT_A_NUMBER) set(a, 5, NAN);
  return a->fault == FAILING ? xr_fail(XR_DEVICE, "planted failure") : XR_OK;
}

static xr_status run_planted(check_run *run) {
  planted a = {.fault = (fault)check_size(run, 0), .dtype = check_dtype(run)};
  a.x = check_in(run, "x", a.dtype, COUNT, CHECK_POSITIVE);
  a.y = check_out(run, "y", a.dtype, COUNT);
  a.n = check_out(run, "n", XR_I32, 1);
  if (a.fault == INEXACT) check_exact(run, "y");
  return CHECK_CALL(run, planted, &a);
}

static const check_case float_cases[] = {{{NONE}},          {{OFF}},      {{UNWRITTEN}}, {{BEFORE}},       {{PAST}},
                                         {{INPUT_WRITTEN}}, {{CHANGING}}, {{FAILING}},   {{NOT_A_NUMBER}}, {{WRONG_INTEGER}}};
static const check_case exact_cases[] = {{{INEXACT}}};
static const check_op ops[] = {
    {"planted", run_planted, "fault", CHECK_FLOATS, CHECK_CASES(float_cases)},
    {"exact", run_planted, "fault", CHECK_F32, CHECK_CASES(exact_cases)},
};
CHECK_OPS(ops)
