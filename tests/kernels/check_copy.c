#include <math.h>

#include "kernels/copy/concat.h"
#include "kernels/copy/gather_rows.h"
#include "kernels/copy/gather_samples.h"
#include "kernels/copy/repeat.h"
#include "kernels/copy/slice.h"
#include "kernels/copy/take_rows.h"
#include "kernels/copy/transpose.h"
#include "tests/kernels/check.h"

static void *gradient(check_run *run, const char *name, xr_dtype dtype, int64_t count, bool accumulate) {
  void *memory = accumulate ? check_inout(run, name, dtype, count, CHECK_NORMAL) : check_out(run, name, dtype, count);
  if (!accumulate) check_exact(run, name); /* a copy */
  return memory;
}

static void *copied(check_run *run, const char *name, xr_dtype dtype, int64_t count) { return gradient(run, name, dtype, count, false); }

static xr_status slice(check_run *run) {
  xr_slice a = {.outer = check_size(run, 0),
                .axis = check_size(run, 1),
                .inner = check_size(run, 2),
                .start = check_size(run, 3),
                .length = check_size(run, 4),
                .dtype = check_dtype(run),
                .accumulate_dx = check_size(run, 5)};
  const int64_t whole = a.outer * a.axis * a.inner, part = a.outer * a.length * a.inner;
  a.x = check_in(run, "x", a.dtype, whole, CHECK_NORMAL);
  a.y = copied(run, "y", a.dtype, part);
  a.dy = check_in(run, "dy", a.dtype, part, CHECK_NORMAL);
  a.dx = gradient(run, "dx", a.dtype, whole, a.accumulate_dx);
  XR_TRY(CHECK_CALL(run, xr_slice_forward, &a));
  return CHECK_CALL(run, xr_slice_backward, &a);
}

static const check_case slice_cases[] = {
    {{1, 1, 1, 0, 1, 0}},  {{3, 5, 7, 2, 2, 0}},      {{3, 5, 7, 2, 2, 1}},   {{4, 9, 16, 0, 1, 0}},
    {{4, 9, 16, 8, 1, 1}}, {{2, 193, 24, 1, 192, 0}}, {{5, 40, 1, 3, 33, 0}}, {{5, 40, 1, 16, 8, 0}},
    {{2, 6, 8, 6, 0, 0}},  {{0, 6, 8, 1, 2, 0}},      {{2, 40, 1, 3, 32, 0}}, {{2, 40, 1, 3, 32, 1}},
};

static xr_status concat(check_run *run) {
  xr_concat a = {.inputs = 3, .outer = check_size(run, 0), .inner = check_size(run, 1), .dtype = check_dtype(run)};
  static const char *const x[] = {"x0", "x1", "x2"}, *const dx[] = {"dx0", "dx1", "dx2"};
  int64_t whole = 0;
  for (int k = 0; k < a.inputs; k++) {
    a.axis[k] = check_size(run, 2 + k);
    const int64_t count = a.outer * a.axis[k] * a.inner;
    whole += count;
    a.x[k] = check_in(run, x[k], a.dtype, count, CHECK_NORMAL);
    a.accumulate_dx[k] = check_size(run, 5) >> k & 1;
    if (k != check_size(run, 6)) a.dx[k] = gradient(run, dx[k], a.dtype, count, a.accumulate_dx[k]);
  }
  a.y = copied(run, "y", a.dtype, whole);
  a.dy = check_in(run, "dy", a.dtype, whole, CHECK_NORMAL);
  XR_TRY(CHECK_CALL(run, xr_concat_forward, &a));
  return CHECK_CALL(run, xr_concat_backward, &a);
}

static const check_case concat_cases[] = {
    {{1, 1, 1, 1, 1, 0, -1}}, {{3, 2, 5, 4, 7, 5, 1}}, {{2, 8, 3, 0, 6, 0, -1}}, {{4, 16, 9, 1, 32, 2, 0}}, {{2, 520, 1, 2, 3, 0, 2}},
};

static xr_status transpose(check_run *run) {
  xr_transpose a = {.rank = 4, .dtype = check_dtype(run), .accumulate_dx = check_size(run, 5)};
  int64_t order = check_size(run, 4), count = 1; /* a digit an axis */
  for (int k = 3; k >= 0; k--, order /= 10) {
    a.dim[k] = check_size(run, k);
    a.order[k] = (int)(order % 10);
    count *= a.dim[k];
  }
  a.x = check_in(run, "x", a.dtype, count, CHECK_NORMAL);
  a.y = copied(run, "y", a.dtype, count);
  a.dy = check_in(run, "dy", a.dtype, count, CHECK_NORMAL);
  a.dx = gradient(run, "dx", a.dtype, count, a.accumulate_dx);
  XR_TRY(CHECK_CALL(run, xr_transpose_forward, &a));
  return CHECK_CALL(run, xr_transpose_backward, &a);
}

/* Whole rows (order ends in 3), squares through shared memory, and squares that the axes cut. */
static const check_case transpose_cases[] = {
    {{1, 1, 1, 1, 3210, 0}},  {{2, 3, 4, 5, 123, 0}},   {{2, 3, 4, 8, 213, 1}},    {{3, 5, 2, 64, 2013, 0}},
    {{2, 3, 4, 5, 1032, 0}},  {{2, 3, 4, 5, 3120, 1}},  {{1, 1, 33, 65, 132, 0}},  {{1, 2, 64, 32, 132, 1}},
    {{5, 1, 70, 3, 3021, 0}}, {{4, 7, 31, 9, 2301, 0}}, {{40, 1, 1, 50, 3120, 0}}, {{2, 0, 4, 5, 3210, 0}},
};

/* On a device nobody looks at indices first: what the header says of illegal ones, written out for the CPU. */
static xr_status gather_rows(check_run *run) {
  enum { MOST = 16 };
  xr_gather_rows a = {.batch = check_size(run, 0),
                      .tokens = check_size(run, 1),
                      .width = check_size(run, 2),
                      .dtype = check_dtype(run),
                      .accumulate_dx = check_size(run, 3)};
  const int64_t bad_sample = check_size(run, 4) - 1, tensor = a.batch * a.tokens * a.width;
  int32_t index[MOST] = {0};
  for (int64_t b = 0; b < a.batch; b++) index[b] = (int32_t)((b * 7 + 3) % a.tokens);
  const bool host = !check_on_device(run);
  if (bad_sample >= 0 && !host) index[bad_sample] = bad_sample % 2 ? -1 : (int32_t)a.tokens;
  a.index = check_in_bytes(run, "index", index, (size_t)a.batch * sizeof *index);
  a.x = check_in(run, "x", a.dtype, tensor, CHECK_NORMAL);
  a.y = copied(run, "y", a.dtype, a.batch * a.width);
  a.dy = check_in(run, "dy", a.dtype, a.batch * a.width, CHECK_NORMAL);
  a.dx = gradient(run, "dx", a.dtype, tensor, a.accumulate_dx);
  XR_TRY(CHECK_CALL(run, xr_gather_rows_forward, &a));
  XR_TRY(CHECK_CALL(run, xr_gather_rows_backward, &a));
  if (bad_sample < 0 || !host) return XR_OK;
  const size_t row = (size_t)a.width * xr_dtype_bytes(a.dtype), sample = (size_t)a.tokens * row;
  memset((char *)a.y + (size_t)bad_sample * row, 0xff, row); /* NaN in either dtype */
  memset((char *)a.dx + (size_t)bad_sample * sample, 0xff, sample);
  return XR_OK;
}

static const check_case gather_cases[] = {
    {{1, 1, 1, 0, 0}},   {{3, 5, 7, 0, 0}},  {{3, 5, 7, 1, 0}},  {{4, 77, 64, 0, 0}},
    {{2, 9, 520, 1, 0}}, {{5, 4, 24, 0, 2}}, {{5, 4, 24, 1, 3}}, {{0, 4, 8, 0, 0}},
};

/* Every `distance`-th row, then `unused` places without one. Bad indices on the device alone: out of range, and one that does not ascend,
 * after which only y is looked at. */
static xr_status take_rows(check_run *run) {
  enum { MOST = 64 };
  xr_take_rows a = {
      .rows = check_size(run, 0), .width = check_size(run, 1), .dtype = check_dtype(run), .accumulate_dx = check_size(run, 4)};
  const int64_t distance = check_size(run, 2), unused = check_size(run, 3), bad = check_size(run, 5);
  int32_t index[MOST];
  for (int64_t row = distance - 1; row < a.rows; row += distance) index[a.taken++] = (int32_t)row;
  for (int64_t i = 0; i < unused; i++) index[a.taken++] = -1;
  const bool host = !check_on_device(run);
  if (bad && !host) index[1] = bad == 1 ? (int32_t)a.rows : bad == 2 ? -7 : index[0];
  a.index = check_in_bytes(run, "index", index, (size_t)a.taken * sizeof *index);
  a.x = check_in(run, "x", a.dtype, a.rows * a.width, CHECK_NORMAL);
  a.y = copied(run, "y", a.dtype, a.taken * a.width);
  XR_TRY(CHECK_CALL(run, xr_take_rows_forward, &a));
  if (bad && host) {
    const size_t row = (size_t)a.width * xr_dtype_bytes(a.dtype);
    const int64_t wrong = bad < 3 ? 2 : 1; /* the row itself and, where it was out of range, the one that should lie above it */
    memset((char *)a.y + row, 0xff, (size_t)wrong * row);
  }
  if (bad) return XR_OK;
  a.dy = check_in(run, "dy", a.dtype, a.taken * a.width, CHECK_NORMAL);
  a.dx = gradient(run, "dx", a.dtype, a.rows * a.width, a.accumulate_dx);
  return CHECK_CALL(run, xr_take_rows_backward, &a);
}

static const check_case take_cases[] = {
    {{1, 1, 1, 0, 0, 0}},   {{7, 5, 2, 0, 0, 0}},   {{7, 5, 2, 3, 1, 0}},   {{33, 64, 1, 9, 0, 0}},
    {{40, 24, 7, 0, 1, 0}}, {{9, 520, 3, 1, 1, 0}}, {{20, 8, 30, 4, 0, 0}}, {{0, 8, 1, 2, 0, 0}},
    {{9, 24, 2, 2, 0, 1}},  {{9, 24, 2, 2, 0, 2}},  {{9, 7, 2, 2, 0, 3}},
};

static xr_status repeat(check_run *run) {
  xr_repeat a = {.outer = check_size(run, 0),
                 .count = check_size(run, 1),
                 .inner = check_size(run, 2),
                 .dtype = check_dtype(run),
                 .accumulate_dx = check_size(run, 3)};
  const int64_t once = a.outer * a.inner;
  a.x = check_in(run, "x", a.dtype, once, CHECK_NORMAL);
  a.y = copied(run, "y", a.dtype, once * a.count);
  a.dy = check_in(run, "dy", a.dtype, once * a.count, CHECK_NORMAL);
  a.dx = a.accumulate_dx ? check_inout(run, "dx", a.dtype, once, CHECK_NORMAL) : check_out(run, "dx", a.dtype, once);
  XR_TRY(CHECK_CALL(run, xr_repeat_forward, &a));
  return CHECK_CALL(run, xr_repeat_backward, &a);
}

static const check_case repeat_cases[] = {
    {{1, 1, 1, 0}}, {{1, 64, 2048, 0}}, {{3, 5, 7, 1}}, {{64, 4, 24, 0}}, {{2, 9, 1031, 1}}, {{0, 3, 8, 0}}, {{3, 2, 0, 1}},
};

/* `distinct` samples are picked, again and again. A bad index on the device alone: its place is NaN, and its gradient goes nowhere. */
static xr_status gather_samples(check_run *run) {
  enum { MOST = 256 };
  const int64_t distinct = check_size(run, 3), bad = check_size(run, 5) - 1;
  xr_gather_samples a = {.samples = check_size(run, 0),
                         .places = check_size(run, 1),
                         .width = check_size(run, 2),
                         .dtype = check_dtype(run),
                         .accumulate_dx = check_size(run, 4)};
  int32_t index[MOST];
  for (int64_t p = 0; p < a.places; p++) index[p] = (int32_t)((p * p + 5 * p) % distinct * 3 % a.samples);
  const bool host = !check_on_device(run);
  if (bad >= 0 && !host) index[bad] = bad % 2 ? -1 : (int32_t)a.samples;
  a.index = check_in_bytes(run, "index", index, (size_t)a.places * sizeof *index);
  a.x = check_in(run, "x", a.dtype, a.samples * a.width, CHECK_NORMAL);
  a.y = copied(run, "y", a.dtype, a.places * a.width);
  XR_TRY(CHECK_CALL(run, xr_gather_samples_forward, &a));
  if (bad >= 0) {
    const size_t row = (size_t)a.width * xr_dtype_bytes(a.dtype);
    if (host) memset((char *)a.y + (size_t)bad * row, 0xff, row);
    return XR_OK;
  }
  a.dy = check_in(run, "dy", a.dtype, a.places * a.width, CHECK_NORMAL);
  a.dx = a.accumulate_dx ? check_inout(run, "dx", a.dtype, a.samples * a.width, CHECK_NORMAL)
                         : check_out(run, "dx", a.dtype, a.samples * a.width);
  return CHECK_CALL(run, xr_gather_samples_backward, &a);
}

static const check_case sample_cases[] = {
    {{1, 1, 1, 1, 0, 0}},    {{4, 12, 33, 4, 0, 0}},   {{4, 12, 33, 2, 1, 0}}, {{7, 21, 64, 7, 0, 0}}, {{5, 3, 1040, 3, 1, 0}},
    {{3, 200, 24, 2, 0, 0}}, {{64, 192, 8, 64, 0, 0}}, {{2, 0, 8, 1, 0, 0}},   {{5, 9, 24, 4, 0, 3}},  {{5, 9, 7, 4, 0, 4}},
};

static const check_op ops[] = {
    {"repeat", repeat, "outer count inner accumulate", CHECK_FLOATS, CHECK_CASES(repeat_cases)},
    {"slice", slice, "outer axis inner start length accumulate", CHECK_FLOATS, CHECK_CASES(slice_cases)},
    {"concat", concat, "outer inner axis0 axis1 axis2 accumulate without", CHECK_FLOATS, CHECK_CASES(concat_cases)},
    {"transpose", transpose, "dim0 dim1 dim2 dim3 order accumulate", CHECK_FLOATS, CHECK_CASES(transpose_cases)},
    {"gather_rows", gather_rows, "batch tokens width accumulate bad", CHECK_FLOATS, CHECK_CASES(gather_cases)},
    {"gather_samples", gather_samples, "samples places width distinct accumulate bad", CHECK_FLOATS, CHECK_CASES(sample_cases)},
    {"take_rows", take_rows, "rows width distance unused accumulate bad", CHECK_FLOATS, CHECK_CASES(take_cases)},
};
CHECK_OPS(ops)
