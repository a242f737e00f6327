#include "kernels/elementwise/add.h"
#include "kernels/elementwise/cast.h"
#include "kernels/elementwise/dropout.h"
#include "kernels/elementwise/scale.h"
#include "tests/kernels/check.h"

/* flags */
enum { ACCUMULATE = 1, IN_PLACE = 2, ONLY_A = 4, ONLY_B = 8, OTHER_DTYPE = 16 };

static void *gradient(check_run *run, const char *name, xr_dtype dtype, int64_t count, bool accumulate) {
  return accumulate ? check_inout(run, name, dtype, count, CHECK_NORMAL) : check_out(run, name, dtype, count);
}

static xr_status add(check_run *run) {
  const int64_t n = check_size(run, 0), flags = check_size(run, 1);
  const xr_dtype dtype = check_dtype(run);
  xr_add a = {.count = n, .dtype = dtype, .alpha = 0.75f, .beta = -1.5f};
  a.a = flags & IN_PLACE ? check_inout(run, "y", dtype, n, CHECK_NORMAL) : check_in(run, "a", dtype, n, CHECK_NORMAL);
  a.b = check_in(run, "b", dtype, n, CHECK_NORMAL);
  a.y = flags & IN_PLACE ? (void *)a.a : check_out(run, "y", dtype, n);
  XR_TRY(CHECK_CALL(run, xr_add_forward, &a));
  a.accumulate_da = a.accumulate_db = flags & ACCUMULATE;
  if (!(flags & ONLY_B))
    a.da = flags & IN_PLACE ? check_inout(run, "da", dtype, n, CHECK_NORMAL) : gradient(run, "da", dtype, n, a.accumulate_da);
  if (!(flags & ONLY_A)) a.db = gradient(run, "db", dtype, n, a.accumulate_db);
  a.dy = flags & IN_PLACE ? a.da : check_in(run, "dy", dtype, n, CHECK_NORMAL);
  return CHECK_CALL(run, xr_add_backward, &a);
}

static const check_case add_cases[] = {
    {{1, 0}, .golden = "add.1"}, {{1029, 0}, .golden = "add.1029"}, {{0, 0}},         {{7, ACCUMULATE}},
    {{8, IN_PLACE | ONLY_A}},    {{9, ONLY_B | ACCUMULATE}},        {{4096, ONLY_A}}, {{5003, IN_PLACE | ONLY_A}},
};

static xr_status scale(check_run *run) {
  const int64_t n = check_size(run, 0), flags = check_size(run, 1);
  const xr_dtype dtype = check_dtype(run);
  xr_scale a = {.count = n, .dtype = dtype, .alpha = 0.75f};
  a.x = flags & IN_PLACE ? check_inout(run, "y", dtype, n, CHECK_NORMAL) : check_in(run, "x", dtype, n, CHECK_NORMAL);
  a.y = flags & IN_PLACE ? (void *)a.x : check_out(run, "y", dtype, n);
  XR_TRY(CHECK_CALL(run, xr_scale_forward, &a));
  a.accumulate_dx = flags & ACCUMULATE;
  a.dx = flags & IN_PLACE ? check_inout(run, "dx", dtype, n, CHECK_NORMAL) : gradient(run, "dx", dtype, n, a.accumulate_dx);
  a.dy = flags & IN_PLACE ? a.dx : check_in(run, "dy", dtype, n, CHECK_NORMAL);
  return CHECK_CALL(run, xr_scale_backward, &a);
}

static const check_case scale_cases[] = {
    {{1, 0}, .golden = "scale.1"}, {{1029, 0}, .golden = "scale.1029"}, {{0, 0}}, {{15, ACCUMULATE}}, {{513, IN_PLACE}},
    {{2048, ACCUMULATE}},
};

/* More pieces than threads: a thread does one piece after another. */
static const check_case long_cases[] = {{{2048 * 256 * 4 + 1029, 0}}};

static xr_status cast(check_run *run) {
  const int64_t n = check_size(run, 0), flags = check_size(run, 1);
  const xr_dtype x = check_dtype(run), y = (flags & OTHER_DTYPE) && x == XR_F32 ? XR_BF16 : flags & OTHER_DTYPE ? XR_F32 : x;
  xr_cast a = {.count = n, .x_dtype = x, .y_dtype = y, .accumulate_dx = flags & ACCUMULATE};
  a.x = check_in(run, "x", x, n, CHECK_NORMAL);
  a.y = check_out(run, "y", y, n);
  check_exact(run, "y");
  a.dy = check_in(run, "dy", y, n, CHECK_NORMAL);
  a.dx = gradient(run, "dx", x, n, a.accumulate_dx);
  XR_TRY(CHECK_CALL(run, xr_cast_forward, &a));
  return CHECK_CALL(run, xr_cast_backward, &a);
}

static const check_case cast_cases[] = {
    {{0, OTHER_DTYPE}},    {{1, OTHER_DTYPE}}, {{8, OTHER_DTYPE | ACCUMULATE}},
    {{1029, OTHER_DTYPE}}, {{1029, 0}},        {{4096, OTHER_DTYPE | ACCUMULATE}},
};

static xr_status dropout(check_run *run) {
  const int64_t n = check_size(run, 0), flags = check_size(run, 1);
  const xr_dtype dtype = check_dtype(run);
  const xr_seed seed = {.key = 0x123456789abcdefu, .counter = 77};
  xr_dropout a = {.count = n, .dtype = dtype, .rate = (float)check_size(run, 2) / 100, .node = 3};
  a.seed = check_in_bytes(run, "seed", &seed, sizeof seed);
  a.x = flags & IN_PLACE ? check_inout(run, "y", dtype, n, CHECK_NORMAL) : check_in(run, "x", dtype, n, CHECK_NORMAL);
  a.y = flags & IN_PLACE ? (void *)a.x : check_out(run, "y", dtype, n);
  if (dtype == XR_F32) check_exact(run, "y"); /* the same mask: one kept element more would show */
  XR_TRY(CHECK_CALL(run, xr_dropout_forward, &a));
  a.accumulate_dx = flags & ACCUMULATE;
  a.dx = flags & IN_PLACE ? check_inout(run, "dx", dtype, n, CHECK_NORMAL) : gradient(run, "dx", dtype, n, a.accumulate_dx);
  a.dy = flags & IN_PLACE ? a.dx : check_in(run, "dy", dtype, n, CHECK_NORMAL);
  return CHECK_CALL(run, xr_dropout_backward, &a);
}

static const check_case dropout_cases[] = {
    {{0, 0, 10}}, {{1, 0, 50}}, {{130, 0, 0}}, {{1029, 0, 10}}, {{1031, ACCUMULATE, 30}}, {{4096, IN_PLACE, 99}}, {{9001, 0, 50}},
};

static const check_op ops[] = {
    {"add", add, "count flags", CHECK_FLOATS, CHECK_CASES(add_cases), .golden = "elementwise"},
    {"scale", scale, "count flags", CHECK_FLOATS, CHECK_CASES(scale_cases), .golden = "elementwise"},
    {"scale", scale, "count flags", CHECK_F32, CHECK_CASES(long_cases)},
    {"cast", cast, "count flags", CHECK_FLOATS, CHECK_CASES(cast_cases)},
    {"dropout", dropout, "count flags percent", CHECK_FLOATS, CHECK_CASES(dropout_cases)},
};
CHECK_OPS(ops)
